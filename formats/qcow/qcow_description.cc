// SPDX-License-Identifier: MIT
#include "formats/qcow/qcow_description.h"

#include "formats/qcow/read_qcow_tables.h"
#include "formats/qcow2/bytes/header.h"

namespace tapring::qcow {

Description describe(const OpenFile& file) {
  const Header header = peek_header(file);
  Description description{header, read_backing_name(file, header), {}};
  if (const auto fault = qcow2::crypt_fault(header.crypt_method)) {
    description.troubles.push_back(*fault);
  }
  return description;
}

}  // namespace tapring::qcow
