// SPDX-License-Identifier: MIT
#include "daemon/cli/byte_size.h"

#include <algorithm>
#include <charconv>
#include <cstddef>

namespace tapring {
namespace {

// Larger numbers are refused: doubling this one must still fit in 64 bits.
constexpr std::size_t kMostDigits = 18;

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// As a power of two.
std::optional<unsigned> parse_unit(std::string_view unit) {
  constexpr std::string_view kUnits = "bkmgtpe";
  if (unit.empty()) return 0;
  const std::size_t place = kUnits.find(lower(unit.front()));
  const std::string_view rest = unit.substr(1);
  const auto is = [rest](std::string_view word) {
    return std::ranges::equal(rest, word, {}, lower);
  };
  const bool known = rest.empty() || (place > 0 && (is("b") || is("ib")));
  if (place == std::string_view::npos || !known) return std::nullopt;
  return static_cast<unsigned>(place) * 10;
}

std::string_view take_digits(std::string_view& text) {
  const auto* end = std::ranges::find_if_not(text, [](char c) { return c >= '0' && c <= '9'; });
  const std::string_view digits(text.begin(), end);
  text.remove_prefix(digits.size());
  return digits;
}

/// What the digits behind a point are of 2^`shift`: bit after bit, from the highest on.
uint64_t part_of_unit(std::string_view digits, unsigned shift) {
  uint64_t numerator = 0;
  uint64_t denominator = 1;
  for (const char digit : digits) {
    numerator = numerator * 10 + static_cast<unsigned>(digit - '0');
    denominator *= 10;
  }
  uint64_t part = 0;
  for (unsigned bit = 0; bit < shift; ++bit) {
    numerator *= 2;
    const bool set = numerator >= denominator;
    if (set) numerator -= denominator;
    part = part << 1 | (set ? 1U : 0U);
  }
  return part;
}

}  // namespace

std::optional<uint64_t> parse_byte_size(std::string_view text) {
  const std::string_view whole = take_digits(text);
  const bool has_point = text.starts_with('.');
  if (has_point) text.remove_prefix(1);
  const std::string_view fraction = has_point ? take_digits(text) : std::string_view();
  const auto shift = parse_unit(text);
  if (!shift || whole.empty() || has_point == fraction.empty()) return std::nullopt;
  uint64_t units = 0;
  const auto [end, error] = std::from_chars(whole.begin(), whole.end(), units);
  if (error != std::errc() || units > UINT64_MAX >> *shift) return std::nullopt;
  return (units << *shift) + part_of_unit(fraction.substr(0, kMostDigits), *shift);
}

}  // namespace tapring
