// SPDX-License-Identifier: MIT
#include "daemon/printable.h"

#include <fmt/format.h>

#include <iterator>

namespace tapring {

std::string printable(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      fmt::format_to(std::back_inserter(result), "\\x{:02x}", byte);
    } else {
      result += c;
    }
  }
  return result;
}

}  // namespace tapring
