// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "daemon/xenstore/xenstore.h"
#include "tests/sim/executor.h"
#include "tests/sim/machine.h"
#include "tests/sim/store.h"

namespace tapring::sim {

/// One connection to the store, of a domain: the daemon's, the toolstack's, a guest's. Relative
/// paths are below the domain's own directory. Events come some time later, in order, on `thread`,
/// and some still after unwatch(); two of the same path may come as one. take_events() finds none,
/// or some, of those that are on their way. What the domain has no right to, or no more of by its
/// quotas, xenstored refuses.
class SimXenstore final : public XenstoreConnection, private StoreWatcher {
 public:
  SimXenstore(SimWorld& world, SimMachine& machine, SimStore& store, SimExecutor& thread,
              DomainId own_domain);
  SimXenstore(const SimXenstore&) = delete;
  SimXenstore& operator=(const SimXenstore&) = delete;
  ~SimXenstore() override { store_.unwatch_all(*this); }

  std::optional<std::string> read(const std::string& path) override;
  std::vector<std::string> list(const std::string& path) override;
  std::unique_ptr<XenstoreTransaction> begin() override;
  void watch(const std::string& path, const std::string& token) override;
  void unwatch(const std::string& path, const std::string& token) override;
  void deliver_to(std::function<void(const WatchEvent&)> sink) override;
  void on_loss(std::function<void(const std::string& reason)> told) override;
  void take_events() override;
  bool domain_alive(DomainId domain) override;

  /// With all that is below. Throws std::system_error where the domain may not.
  void remove(const std::string& path);

  /// The connection ends, for good. What was asked last may have been done all the same.
  void lose();

  /// It does so at one of the next calls: `call` is its number, from 1.
  void lose_at(uint64_t call) noexcept { calls_left_ = call; }

  /// Expires with this.
  std::weak_ptr<const bool> life() const noexcept { return life_; }

  /// The process is killed: its watches are gone, and nothing it does from now on has an effect.
  void die();

  /// Reads a decimal number; 0 if there is none.
  uint64_t read_number(const std::string& path);

 private:
  class Transaction;

  void count_call();
  void changed(const std::string& watched, const std::string& token,
               const std::string& path) override;
  std::string absolute(const std::string& path) const;
  void deliver_later();
  void deliver_one();

  SimWorld& world_;
  SimMachine& machine_;
  SimStore& store_;
  SimExecutor& thread_;
  DomainId domain_;
  /// Watches (path, token) whose events carry paths relative to its directory, as xenstored does.
  std::set<std::pair<std::string, std::string>> relative_;
  std::function<void(const WatchEvent&)> sink_;
  std::deque<WatchEvent> events_;
  std::function<void(const std::string& reason)> told_;
  bool dead_ = false;
  bool lost_ = false;
  uint64_t calls_left_ = 0;  ///< until the connection ends; 0: it does not
  std::shared_ptr<const bool> life_ = std::make_shared<const bool>(true);
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace tapring::sim
