// SPDX-License-Identifier: MIT
#include "tests/sim/worker_processes.h"

#include <system_error>
#include <utility>

#include "tests/sim/message_pair.h"

namespace tapring::sim {
namespace {

using std::chrono_literals::operator""ms;
using Side = SimMessagePair::Side;

// As SpawnedWorkers looks.
constexpr Time kLockLookedAt = 20ms;

}  // namespace

class SimWorkerProcesses::Spawned final : public std::enable_shared_from_this<Spawned> {
 public:
  Spawned(SimWorld& world, SimMessageDeaths& deaths, std::shared_ptr<SimWorkerProcess> process,
          Callbacks callbacks)
      : world_(world),
        pair_(std::make_shared<SimMessagePair>(world, deaths)),
        process_(std::move(process)),
        callbacks_(std::move(callbacks)) {}

  void begin(const std::function<void()>& die) {
    const auto take = [self = weak_from_this()](Message message) {
      const auto there = self.lock();
      if (there && !there->forgotten_) there->callbacks_.said(std::move(message));
    };
    // It is dying.
    const auto ended = [self = weak_from_this()] {
      const auto there = self.lock();
      if (there && !there->forgotten_) there->process_->die();
    };
    pair_->attach(Side::control, {.take = take, .ended = ended, .die = die});
    process_->connect(pair_);
    process_->tell_end([self = weak_from_this()] {
      const auto there = self.lock();
      if (there && !there->forgotten_) there->await_lock();
    });
  }

  void send(Message message) {
    if (forgotten_) return;
    try {
      pair_->send(Side::control, std::move(message));
    } catch (const std::system_error&) {
      // Its end is told soon.
    }
  }

  void stop() {
    if (!forgotten_ && process_->running()) process_->terminate();
  }

  /// Nothing is told any more.
  void forget() {
    if (std::exchange(forgotten_, true)) return;
    pair_->close(Side::control);
  }

 private:
  /// What it had at its storage is over when the kernel has let go of it.
  void await_lock() {
    if (process_->has_let_go()) {
      const auto self = shared_from_this();
      forget();
      return callbacks_.ended("it was killed");
    }
    world_.after(kLockLookedAt, [self = shared_from_this()] {
      if (!self->forgotten_) self->await_lock();
    });
  }

  SimWorld& world_;
  std::shared_ptr<SimMessagePair> pair_;
  std::shared_ptr<SimWorkerProcess> process_;
  Callbacks callbacks_;
  bool forgotten_ = false;
};

/// Ends with its owner.
class SimWorkerProcesses::Handle final : public WorkerProcess {
 public:
  explicit Handle(std::shared_ptr<Spawned> process) : process_(std::move(process)) {}
  ~Handle() override { process_->forget(); }
  void send(Message message) override { process_->send(std::move(message)); }
  void stop() override { process_->stop(); }

 private:
  std::shared_ptr<Spawned> process_;
};

std::unique_ptr<WorkerProcess> SimWorkerProcesses::start(const std::string& name,
                                                         Callbacks callbacks) {
  if (dead_) throw std::system_error(ESRCH, std::system_category(), "a process that was killed");
  const auto process = std::make_shared<Spawned>(world_, deaths_, table_.find_or_start(name),
                                                 std::move(callbacks));
  spawned_.push_back(process);
  process->begin(die_);
  return std::make_unique<Handle>(process);
}

void SimWorkerProcesses::die() {
  dead_ = true;
  for (const auto& process : spawned_) {
    if (const auto there = process.lock()) there->forget();
  }
}

}  // namespace tapring::sim
