// SPDX-License-Identifier: MIT
// A configuration file of any bytes.
#include "daemon/config/options.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>
#include <sstream>
#include <string>
#include <string_view>

#include "tests/fuzz/memory_file.h"

namespace {

using Parsed = std::expected<tapring::Options, int>;

Parsed parse(std::string_view text, const char* flag, std::ostream& out, std::ostream& err) {
  const tapring::fuzz::MemoryFile file(std::as_bytes(std::span(text)));
  const std::string path = file.path();
  const std::array arguments{"--config", path.c_str(), flag};
  return tapring::parse_options(std::span(arguments).first(flag == nullptr ? 2 : 3),
                                {tapring::kDefaultConfig, out, err});
}

bool is_clean(const std::string& text) {
  return std::ranges::none_of(text, [](unsigned char character) {
    return (character < ' ' && character != '\n') || character == 0x7F;
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::ostringstream out;
  std::ostringstream err;
  const Parsed options = parse(text, nullptr, out, err);
  assert(out.str().empty());
  if (!options) {
    // Whoever reads this has a terminal that must not be spoken to.
    assert(options.error() == 2 && !err.str().empty() && is_clean(err.str()));
    return 0;
  }
  assert(err.str().empty());
  assert(options->worker_count() >= 1 && options->queue_limit() >= 1);
  const Parsed dumped = parse(text, "--dump-config", out, err);
  assert(!dumped && dumped.error() == 0);
  const Parsed again = parse(out.str(), nullptr, out, err);
  assert(again && *again == *options);
  return 0;
}
