// SPDX-License-Identifier: MIT
#include "formats/qcow/qcow_description.h"

#include <utility>

#include "formats/qcow/read_qcow_tables.h"
#include "formats/qcow2/bytes/header.h"

namespace tapring::qcow {

ImageDescription describe(const OpenFile& file) {
  const Header header = peek_header(file);
  ImageDescription::Clusters clusters;
  clusters.version = header.layout.version;
  clusters.cluster_bytes = header.layout.cluster_bytes();
  clusters.backing_file = read_backing_name(file, header);
  if (header.crypt_method != 0) clusters.encryption = qcow2::crypt_name(header.crypt_method);
  if (const auto fault = qcow2::crypt_fault(header.crypt_method)) {
    clusters.troubles.push_back(*fault);
  }
  return {header.layout.size_bytes, std::move(clusters), std::nullopt};
}

}  // namespace tapring::qcow
