// SPDX-License-Identifier: MIT
#include "daemon/datapath/error_policy.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "daemon/host/decimal.h"

namespace tapring {
namespace {

constexpr std::array kFields = {"on_no_space", "on_io_error", "pause_limit_seconds"};

bool assign_limit(ErrorPolicy& policy, std::string_view value) {
  const auto seconds = parse_decimal(value);
  if (!seconds || *seconds > kMaxPauseLimitSeconds) return false;
  policy.pause_limit_seconds = *seconds;
  return true;
}

}  // namespace

const char* fault_name(StorageFault fault) noexcept {
  return fault == StorageFault::no_space ? "no space" : "I/O error";
}

std::optional<StorageFault> storage_fault(Error error) noexcept {
  if (error == std::errc::no_space_on_device || error == system_error_code(EDQUOT)) {
    return StorageFault::no_space;
  }
  for (const std::errc lasting :
       {std::errc::bad_address, std::errc::invalid_argument, std::errc::operation_not_supported,
        std::errc::operation_canceled, std::errc::state_not_recoverable, std::errc::bad_message}) {
    if (error == lasting) return std::nullopt;
  }
  return error ? std::optional(StorageFault::io_error) : std::nullopt;
}

std::span<const char* const> policy_fields() noexcept {
  return kFields;
}

bool assign(ErrorPolicy& policy, std::string_view field, std::string_view value) {
  if (std::ranges::find(kFields, field) == kFields.end()) return false;
  if (value == kDefaultWord) return true;
  if (field == "pause_limit_seconds") return assign_limit(policy, value);
  const auto choice = parse_name<OnError>(value);
  if (choice) (field == "on_no_space" ? policy.on_no_space : policy.on_io_error) = *choice;
  return choice.has_value();
}

std::string expected_of(std::string_view field) {
  if (field == "pause_limit_seconds") {
    return fmt::format("a whole number from 0 to {}, or {}", kMaxPauseLimitSeconds, kDefaultWord);
  }
  return fmt::format("{} or {}", fmt::join(kNames<OnError>, ", "), kDefaultWord);
}

}  // namespace tapring
