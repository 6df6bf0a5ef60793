// SPDX-License-Identifier: MIT
// Xenstore as the control thread uses it: the port. xen_xenstore is the real one.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "ring/grants.h"

namespace tapring {

/// Keys relative to a directory, and their values.
using XenstoreKeys = std::map<std::string, std::string>;

/// A watch on this fires whenever a domain ends.
inline constexpr const char* kReleaseDomain = "@releaseDomain";

/// Something at or under `path`, which watch() named, changed; or the watch has just begun. Changes
/// may be merged: read what is there, never count events.
struct WatchEvent {
  std::string path;
  std::string token;
};

/// The connection is gone for good, and its watches with it. Whatever was asked of it last may have
/// been done.
class XenstoreLost : public std::system_error {
 public:
  XenstoreLost(int error, const std::string& what)
      : std::system_error(error, std::system_category(), "xenstore: " + what) {}
};

/// Reads and writes of which others see all or nothing, begun by Xenstore::begin() and gone before
/// its connection. One that is destroyed without a commit() leaves nothing behind. Throws
/// std::system_error like Xenstore, and when xenstored refuses a write.
class XenstoreTransaction {
 public:
  enum class Outcome : uint8_t {
    done,
    conflict,  ///< others changed meanwhile what this one relies on: nothing was written
  };

  virtual ~XenstoreTransaction() = default;

  /// What was there when the transaction began, or what it wrote; nullopt as in Xenstore::read().
  virtual std::optional<std::string> read(const std::string& path) = 0;

  /// Makes the directories that are missing.
  virtual void write(const std::string& path, const std::string& value) = 0;

  /// The last call. xenstored may answer `conflict` also when nobody came between.
  [[nodiscard]] virtual Outcome commit() = 0;
};

/// For the control thread only. Throws XenstoreLost when the connection itself fails, and another
/// std::system_error when xenstored refuses what would take more of it than our domain may have.
class Xenstore {
 public:
  virtual ~Xenstore() = default;

  /// nullopt if there is no such key or we may not read it.
  virtual std::optional<std::string> read(const std::string& path) = 0;

  /// Names of the children; empty if there are none or no such directory.
  virtual std::vector<std::string> list(const std::string& path) = 0;

  virtual std::unique_ptr<XenstoreTransaction> begin() = 0;

  virtual void watch(const std::string& path, const std::string& token) = 0;
  virtual void unwatch(const std::string& path, const std::string& token) = 0;

  /// Where events go, on the control thread. Set before the first watch().
  virtual void deliver_to(std::function<void(const WatchEvent&)> sink) = 0;

  /// Delivers now, before it returns, what has come already, or the first of it.
  virtual void take_events() = 0;

  /// False once the domain is gone or dying. True where our domain is not to know.
  virtual bool domain_alive(DomainId domain) = 0;
};

/// One that can be lost.
class XenstoreConnection : public Xenstore {
 public:
  /// Who is told the reason, once and on the control thread, when the connection is found to be
  /// lost while nothing is asked of it.
  virtual void on_loss(std::function<void(const std::string& reason)> told) = 0;
};

}  // namespace tapring
