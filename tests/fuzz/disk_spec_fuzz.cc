// SPDX-License-Identifier: MIT
// What a toolstack may have written as kind, script and params of a node: lines of the input.
#include "daemon/config/disk_spec.h"

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "formats/format.h"

namespace {

std::string_view next_line(std::string_view& text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  text.remove_prefix(line.size() == text.size() ? line.size() : line.size() + 1);
  return line;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string_view kind = next_line(text);
  const std::string_view script = next_line(text);
  const std::string_view params = text;

  const auto owner = tapring::ownership(kind, script, params);
  assert(owner == tapring::Ownership::ours || kind == "vbd");
  assert(!tapring::uses_our_script(script) || owner == tapring::Ownership::ours);

  const auto spec = tapring::parse_disk_spec(params);
  if (!spec) {
    assert(!spec.error().empty());
    return 0;
  }
  assert(tapring::find_format(spec->format) != nullptr);
  assert(spec->path.starts_with('/'));
  assert(params.ends_with(spec->path));
  const auto again = tapring::parse_disk_spec(spec->format + ":" + spec->path);
  assert(again && again->format == spec->format && again->path == spec->path);
  return 0;
}
