// SPDX-License-Identifier: MIT
#include "formats/qcow/extents.h"

#include <utility>

#include "formats/qcow/read_tables.h"

namespace tapring::qcow {

qcow2::Extents read_extents(OpenFile file) {
  const Header header = read_header(file);
  qcow2::Map::L1Table l1 = read_l1(file, header);
  return {std::move(file), header.layout, std::move(l1.entries)};
}

}  // namespace tapring::qcow
