// SPDX-License-Identifier: MIT
#pragma once

#include <fcntl.h>

#include <map>
#include <string>
#include <vector>

#include "daemon/host/service_store.h"

namespace tapring::sim {

/// What a simulated service manager keeps for the next control process.
using SimStoredDescriptors = std::map<std::string, std::vector<UniqueFd>>;

/// One control process's way to it.
class SimServiceStore final : public ServiceStore {
 public:
  explicit SimServiceStore(SimStoredDescriptors& stored) noexcept : stored_(stored) {}

  std::map<std::string, std::vector<UniqueFd>> take() override {
    std::map<std::string, std::vector<UniqueFd>> taken;
    for (const auto& [name, descriptors] : stored_) {
      for (const UniqueFd& descriptor : descriptors) taken[name].push_back(copy(descriptor));
    }
    return taken;
  }
  void keep(const std::string& name, const UniqueFd& descriptor) override {
    if (!dead_) stored_[name].push_back(copy(descriptor));
  }
  void drop(const std::string& name) override {
    if (!dead_) stored_.erase(name);
  }
  void await_dropped() override {}

  /// The process is killed: nothing it does from now on has an effect.
  void die() noexcept { dead_ = true; }

 private:
  static UniqueFd copy(const UniqueFd& descriptor) {
    return UniqueFd(::fcntl(descriptor.get(), F_DUPFD_CLOEXEC, 0));
  }

  SimStoredDescriptors& stored_;
  bool dead_ = false;
};

}  // namespace tapring::sim
