// SPDX-License-Identifier: MIT
// What a core dump of the daemon may hold: it may go to whoever looks for our mistakes, and the
// data of guests may not.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace tapring {

enum class CoreDumps : uint8_t {
  none,
  without_guest_data,  ///< what guests write and read is in memory that is left out
  full,                ///< but for pages of guests, which the kernel leaves out of every dump
};

/// The names of CoreDumps' values, in their order.
std::span<const char* const> core_dumps_names() noexcept;
std::optional<CoreDumps> parse_core_dumps(std::string_view name);
const char* core_dumps_name(CoreDumps choice) noexcept;

/// For this process, before there is any data of guests. A core may be as large as the limit allows
/// that the process was started with.
void allow_core_dumps(CoreDumps choice);

}  // namespace tapring
