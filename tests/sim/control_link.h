// SPDX-License-Identifier: MIT
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "daemon/host/control_talk.h"
#include "tests/sim/executor.h"
#include "tests/sim/message_pair.h"
#include "tests/sim/world.h"

namespace tapring::sim {

/// A simulated worker process's connection to the control process. A thread that waits for a result
/// has the world go on.
class SimControlLink final : public ControlTalk {
 public:
  /// `main`, and `die`, which kills the process, are the worker's.
  SimControlLink(SimWorld& world, SimExecutor& main, std::vector<std::string> hello,
                 std::function<void()> die)
      : ControlTalk(main),
        world_(world),
        main_(main),
        hello_(std::move(hello)),
        die_(std::move(die)) {}
  ~SimControlLink() override { alive_.reset(); }

  /// `first` is run, on the main thread, once there is a control process.
  void start(Work first) { first_ = std::move(first); }

  /// A control process connects; it is let in when the one before it is gone.
  void connect(std::shared_ptr<SimMessagePair> pair);

  /// The process is killed: nothing it says from now on is heard, and nobody tells it anything.
  void die();

  /// So many threads wait for a result.
  unsigned waiting() const noexcept { return waiting_; }

  Message call(Verb verb, std::vector<std::string> words,
               std::vector<UniqueFd> descriptors) override;
  void tell(Verb verb, std::vector<std::string> words) override {
    if (!dead_) ControlTalk::tell(verb, std::move(words));
  }

 private:
  class PairWire;

  void wait(std::unique_lock<std::mutex>& lock, const std::function<bool()>& is_answered) override;
  void wake_waiting() override {}
  void accept();
  static Message answer_to_dead(Verb verb, const std::vector<std::string>& words);

  SimWorld& world_;
  SimExecutor& main_;
  const std::vector<std::string> hello_;
  const std::function<void()> die_;
  Work first_;
  std::shared_ptr<SimMessagePair> pair_;  ///< null while there is no control process
  std::deque<std::shared_ptr<SimMessagePair>> backlog_;
  bool dead_ = false;
  unsigned waiting_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace tapring::sim
