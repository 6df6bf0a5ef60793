// SPDX-License-Identifier: MIT
// Xenstore as the control thread uses it: the port. xen_xenstore is the real one.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ring/grants.h"

namespace tapring {

/// Keys relative to a directory, and their values.
using XenstoreKeys = std::map<std::string, std::string>;

/// Something at or under `path`, which watch() named, changed; or the watch has just begun. Changes
/// may be merged: read what is there, never count events.
struct WatchEvent {
  std::string path;
  std::string token;
};

/// What must hold for an update: `key` exists, and has `value` where one is given.
struct XenstoreGuard {
  std::string key;
  std::optional<std::string> value = std::nullopt;
};

/// For the control thread only. Throws std::system_error when the connection itself fails.
class Xenstore {
 public:
  virtual ~Xenstore() = default;

  /// nullopt if there is no such key or we may not read it.
  virtual std::optional<std::string> read(const std::string& path) = 0;

  /// Names of the children; empty if there are none or no such directory.
  virtual std::vector<std::string> list(const std::string& path) = 0;

  /// Writes `keys` under `directory` in one transaction, provided that `guard` holds for it then:
  /// a directory that the toolstack removed must not come back. False if it did not hold.
  virtual bool update(const std::string& directory, const XenstoreGuard& guard,
                      const XenstoreKeys& keys) = 0;

  virtual void watch(const std::string& path, const std::string& token) = 0;
  virtual void unwatch(const std::string& path, const std::string& token) = 0;

  /// Where events go, on the control thread. Set before the first watch().
  virtual void deliver_to(std::function<void(const WatchEvent&)> sink) = 0;

  /// False once the domain is gone or dying.
  virtual bool domain_alive(DomainId domain) = 0;
};

}  // namespace tapring
