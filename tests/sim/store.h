// SPDX-License-Identifier: MIT
// The tree that xenstored keeps, and who watches it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ring/executor.h"
#include "tests/sim/store_access.h"

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

  /// One transaction: all keys are there before the first watch fires. Makes the directories. What
  /// is new has the rights of what it is in, and belongs to its maker unless that is domain 0.
  /// Whether the maker may is asked before, by permits().
  void write(const StoreKeys& keys, DomainId maker = 0);

  /// For a node, which is made if there is none, and for what will be made in it.
  void set_access(const std::string& path, const StoreAccess& access);

  /// Of a node that is not there yet the next one above decides.
  bool permits(DomainId domain, const std::string& path, Right right) const;

  // What quotas are for.
  std::size_t nodes_of(DomainId owner) const;
  std::size_t watches_of(DomainId domain) const;
  std::size_t node_bytes(const std::string& path) const;
  std::size_t& transactions_of(DomainId domain) { return transactions_[domain]; }

  /// The directory and all below. Nothing if it is not there.
  void remove(const std::string& directory);

  /// As an xenstored that begins anew: nothing is there, nobody watches, and no watch has fired.
  void forget_everything();

  /// Fires at once, and for each change at or below `path`, or of what it is in.
  void watch(const std::string& path, const std::string& token, StoreWatcher& watcher,
             DomainId domain = 0);
  bool watches(const std::string& path, const std::string& token,
               const StoreWatcher& watcher) const;
  void unwatch(const std::string& path, const std::string& token, StoreWatcher& watcher);
  void unwatch_all(StoreWatcher& watcher);

  /// Changes whenever the node is written, made or removed, or a child of it comes or goes; 0 while
  /// there is none.
  uint64_t generation(const std::string& path) const;

  // One thread does everything here: who is to come between the steps of another's transaction
  // must be asked to.

  /// Called before each commit with what it would write; what it changes is another connection's.
  using Interruption = std::function<void(const StoreKeys& about_to_be_written)>;
  void interrupt(Interruption interruption) { interruption_ = std::move(interruption); }

  /// `work` is done in the middle of the next transaction, or by do_put_off().
  void put_off(Work work) { put_off_.push_back(std::move(work)); }
  void do_put_off();

  /// For transactions, before they are committed.
  void come_between(const StoreKeys& about_to_be_written);

  /// Told of each change of a value in the moment it is made; nullopt: there is, or was, none.
  using Observer =
      std::function<void(const std::string& path, const std::optional<std::string>& before,
                         const std::optional<std::string>& after)>;
  void observe(Observer observer) { observer_ = std::move(observer); }

  /// Fires the watches of a special path such as @releaseDomain: those of domain 0, which alone has
  /// a right to it unless somebody gives it to others.
  void announce(const std::string& special_path);

 private:
  struct Watch {
    std::string path;
    std::string token;
    StoreWatcher* watcher;
    DomainId domain;
  };

  struct Node {
    std::string value;
    uint64_t generation = 0;
    StoreAccess access;
  };

  void make(const std::string& path, std::string value, DomainId maker);
  bool make_node(const std::string& path, DomainId maker);
  const Node* nearest(const std::string& path) const;
  void touch_directory_of(const std::string& path);
  void fire(const std::string& changed);
  void fire_exactly(const std::string& removed);

  std::map<std::string, Node> nodes_;
  uint64_t generation_ = 0;
  std::map<DomainId, std::size_t> owned_;
  std::map<DomainId, std::size_t> transactions_;
  std::vector<Watch> watches_;
  Observer observer_;
  Interruption interruption_;
  std::vector<Work> put_off_;
};

/// Whether `path` is `directory` or something in it.
bool is_at_or_below(std::string_view path, std::string_view directory) noexcept;

}  // namespace tapring::sim
