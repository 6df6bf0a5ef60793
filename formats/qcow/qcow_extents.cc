// SPDX-License-Identifier: MIT
#include "formats/qcow/qcow_extents.h"

#include <utility>
#include <vector>

#include "formats/qcow/read_qcow_tables.h"
#include "formats/qcow2/offline/extents.h"

namespace tapring::qcow {

std::unique_ptr<ExtentReader> read_extents(OpenFile file) {
  const Header header = read_header(file);
  const ClusterMap::L1Table l1 = read_l1(file, header);
  std::vector<uint64_t> words(l1.entries.size());
  l1.entries.for_each([&](uint64_t index, qcow2::L1Entry entry) {
    words[index] = entry.word(header.layout);
  });
  return std::make_unique<qcow2::Extents>(std::move(file), header.layout, std::move(words));
}

}  // namespace tapring::qcow
