// SPDX-License-Identifier: MIT
#include "formats/qcow/qcow_description.h"

#include <optional>

#include "formats/qcow/read_qcow_tables.h"
#include "formats/qcow2/offline/description.h"

namespace tapring::qcow {

ImageDescription describe(const OpenFile& file) {
  const Header header = peek_header(file);
  return {header.layout.size_bytes,
          qcow2::describe_clusters(header.layout, header.crypt_method,
                                   read_backing_name(file, header)),
          std::nullopt};
}

}  // namespace tapring::qcow
