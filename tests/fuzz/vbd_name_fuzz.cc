// SPDX-License-Identifier: MIT
// Paths that watches of xenstore may report.
#include "daemon/host/decimal.h"
#include "daemon/xenstore/vbd_name.h"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace {

void check_decimal(std::string_view text) {
  const auto number = tapring::parse_decimal(text);
  const bool digits = !text.empty() && std::ranges::all_of(text, [](char character) {
    return character >= '0' && character <= '9';
  });
  assert(!number || digits);
  // Short enough to fit whatever it is.
  assert(number || !digits || text.size() > 9);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const tapring::DomainId backend = data[0];
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  check_decimal(rest);

  const std::string path = tapring::backend_root(backend) + "/" + std::string(rest);
  assert(!tapring::parse_vbd_path(rest, backend) || rest.starts_with("/local/domain/"));
  const auto name = tapring::parse_vbd_path(path, backend);
  if (!name) return 0;
  assert(!name->sysfs_name().empty());
  assert(tapring::parse_vbd_path(name->backend_path(backend), backend) == name);
  assert(tapring::parse_vbd_path(name->backend_path(backend) + "/state", backend) == name);
  return 0;
}
