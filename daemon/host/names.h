// SPDX-License-Identifier: MIT
// Names as people write them: of an enum's values, and of options.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace tapring {

/// The names of the values of `Enum`, in their order, from 0 on. Specialized beside each enum.
template <typename Enum>
inline constexpr std::array<const char*, 0> kNames = {};

template <typename Enum>
std::optional<Enum> parse_name(std::string_view name) {
  const auto* const found = std::ranges::find(kNames<Enum>, name);
  if (found == kNames<Enum>.end()) return std::nullopt;
  return static_cast<Enum>(found - kNames<Enum>.begin());
}

/// A value that has no name is called as the last one that has.
template <typename Enum>
const char* name_of(Enum value) noexcept {
  return kNames<Enum>[std::min(static_cast<std::size_t>(value), kNames<Enum>.size() - 1)];
}

/// "on-no-space" for "on_no_space": a field as an option, or as a key of xenstore.
inline std::string dashed(std::string_view field) {
  std::string name(field);
  std::ranges::replace(name, '_', '-');
  return name;
}

}  // namespace tapring
