// SPDX-License-Identifier: MIT
// What becomes of a request that the storage fails: its guest is told, or the request waits until
// the storage can do it.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "daemon/host/names.h"
#include "ring/error.h"

namespace tapring {

enum class OnError : uint8_t {
  report,  ///< to the guest, at once
  pause,   ///< the request waits and is retried; the guest's other requests go on
};

template <>
inline constexpr std::array<const char*, 2> kNames<OnError> = {"report", "pause"};

/// Failures of the storage that may pass.
enum class StorageFault : uint8_t { no_space, io_error };

/// "no space" or "I/O error".
const char* fault_name(StorageFault fault) noexcept;

/// nullopt for an error that is not the storage's, and for one that a retry cannot cure: a request
/// that it cannot do at all, or a write that it lost after it was done.
std::optional<StorageFault> storage_fault(Error error) noexcept;

struct ErrorPolicy {
  OnError on_no_space = OnError::pause;
  OnError on_io_error = OnError::report;
  uint32_t pause_limit_seconds = 0;  ///< how long a request may wait; 0: for ever

  OnError on(StorageFault fault) const noexcept {
    return fault == StorageFault::no_space ? on_no_space : on_io_error;
  }
  bool operator==(const ErrorPolicy&) const = default;
};

inline constexpr ErrorPolicy kReportErrors{OnError::report, OnError::report, 0};
inline constexpr uint32_t kMaxPauseLimitSeconds = 7 * 24 * 3600;

/// A policy as text: values by the names of ErrorPolicy's fields. A field that is missing, or is
/// kDefaultWord, is as the daemon's configuration says.
using PolicyWords = std::map<std::string, std::string>;
inline constexpr const char* kDefaultWord = "default";

/// The names of the fields.
std::span<const char* const> policy_fields() noexcept;

/// Sets one field of `policy`, or leaves it for kDefaultWord. False, and nothing is changed, if
/// there is no such field or value.
bool assign(ErrorPolicy& policy, std::string_view field, std::string_view value);

/// The valid values of the field, to end a message with: "report, pause or default".
std::string expected_of(std::string_view field);

}  // namespace tapring
