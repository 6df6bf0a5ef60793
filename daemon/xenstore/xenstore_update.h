// SPDX-License-Identifier: MIT
// A change of several keys in one step, made only if things still stand as the caller saw them:
// every write of the daemon to xenstore.
#pragma once

#include <optional>
#include <string>

#include "daemon/xenstore/xenstore.h"

namespace tapring {

/// What must hold for an update: `key` exists, and has `value` where one is given.
struct XenstoreGuard {
  std::string key;
  std::optional<std::string> value = std::nullopt;
};

/// Writes `keys` under `directory` in one transaction, provided that `guard` holds for it then: a
/// directory that the toolstack removed must not come back. False if it did not hold. Repeated
/// while others come between. Throws std::system_error, with nothing written: xenstored's, or
/// EAGAIN when the others never end.
bool update(Xenstore& store, const std::string& directory, const XenstoreGuard& guard,
            const XenstoreKeys& keys);

}  // namespace tapring
