// SPDX-License-Identifier: MIT
#include "formats/qcow/description.h"

#include "formats/qcow/read_tables.h"

namespace tapring::qcow {

Description describe(const OpenFile& file) {
  const Header header = read_header(file);
  return {header, read_backing_name(file, header)};
}

}  // namespace tapring::qcow
