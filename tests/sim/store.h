// SPDX-License-Identifier: MIT
// The tree that xenstored keeps, and who watches it.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tapring::sim {

/// Absolute paths and their values.
using StoreKeys = std::map<std::string, std::string>;

/// Told of changes; it must not change the tree in the call.
class StoreWatcher {
 public:
  /// `path` is what changed, or for a watch below something that was removed the watched path.
  virtual void changed(const std::string& watched, const std::string& token,
                       const std::string& path) = 0;

 protected:
  ~StoreWatcher() = default;
};

class SimStore {
 public:
  SimStore() = default;
  SimStore(const SimStore&) = delete;
  SimStore& operator=(const SimStore&) = delete;

  std::optional<std::string> read(const std::string& path) const;
  bool exists(const std::string& path) const { return nodes_.contains(path); }
  std::vector<std::string> list(const std::string& directory) const;

  /// One transaction: all keys are there before the first watch fires. Makes the directories.
  void write(const StoreKeys& keys);

  /// The directory and all below. Nothing if it is not there.
  void remove(const std::string& directory);

  /// Fires at once, and for each change at or below `path`, or of what it is in.
  void watch(const std::string& path, const std::string& token, StoreWatcher& watcher);
  void unwatch(const std::string& path, const std::string& token, StoreWatcher& watcher);
  void unwatch_all(StoreWatcher& watcher);

  /// Told of each change of a value in the moment it is made; nullopt: there is, or was, none.
  using Observer =
      std::function<void(const std::string& path, const std::optional<std::string>& before,
                         const std::optional<std::string>& after)>;
  void observe(Observer observer) { observer_ = std::move(observer); }

  /// Fires the watches of a special path such as @releaseDomain.
  void announce(const std::string& special_path);

 private:
  struct Watch {
    std::string path;
    std::string token;
    StoreWatcher* watcher;
  };

  void make(const std::string& path, std::string value);
  void fire(const std::string& changed);
  void fire_exactly(const std::string& removed);

  StoreKeys nodes_;
  std::vector<Watch> watches_;
  Observer observer_;
};

/// Whether `path` is `directory` or something in it.
bool is_at_or_below(std::string_view path, std::string_view directory) noexcept;

}  // namespace tapring::sim
