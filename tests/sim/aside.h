// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "daemon/host/work.h"

namespace tapring::sim {

/// A process's way to the host's background.
class Aside final : public Background {
 public:
  explicit Aside(Background& background) noexcept : background_(background) {}
  Aside(const Aside&) = delete;
  Aside& operator=(const Aside&) = delete;

  void run_few(std::size_t most, const std::string& line, Work work) override {
    if (dead_) return;
    background_.run_few(most, line,
                        [this, number = begun_, alive = std::weak_ptr(alive_)] {
                          if (!alive.expired()) finish(number);
                        });
    under_way_.emplace(begun_++, std::move(work));
  }

  /// The process is killed: what is under way is never done.
  void die() {
    dead_ = true;
    std::exchange(under_way_, {}).clear();
  }

 private:
  void finish(uint64_t number) {
    auto done = under_way_.extract(number);
    if (done) done.mapped()();
  }

  Background& background_;
  std::map<uint64_t, Work> under_way_;  ///< by number
  uint64_t begun_ = 0;
  bool dead_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace tapring::sim
