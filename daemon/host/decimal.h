// SPDX-License-Identifier: MIT
// Decimal numbers as xenstore, configurations and command lines have them.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>
#include <system_error>

namespace tapring {

/// The number that the whole of `text` is, if a Number can hold it; nullopt else, for an empty text
/// too. No sign but a minus, no white space.
template <typename Number = uint32_t>
std::optional<Number> parse_decimal(std::string_view text) {
  Number number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end) return std::nullopt;
  return number;
}

}  // namespace tapring
