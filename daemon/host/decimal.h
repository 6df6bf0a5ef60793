// SPDX-License-Identifier: MIT
// Decimal numbers as xenstore, configurations and command lines have them.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>
#include <system_error>

namespace tapring {

/// Parses the whole of `text`. nullopt if it is empty, does not fit in a Number, or has anything
/// but digits after an optional minus.
template <typename Number = uint32_t>
std::optional<Number> parse_decimal(std::string_view text) {
  Number number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end) return std::nullopt;
  return number;
}

}  // namespace tapring
