// SPDX-License-Identifier: MIT
// What a worker process and the control process say to each other, over one connection after
// another: the calls that wait for their results, and what is for the main thread. Where the
// messages come from and go to, and how a thread waits, is said by whoever derives from this.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "daemon/host/control_port.h"
#include "ring/executor.h"

namespace tapring {

class ControlTalk : public ControlPort {
 public:
  /// One connection. For any thread.
  class Wire {
   public:
    virtual ~Wire() = default;

    /// Throws std::system_error if the other end is gone.
    virtual void send(Message message) = 0;
  };

  ControlTalk(const ControlTalk&) = delete;
  ControlTalk& operator=(const ControlTalk&) = delete;

  Message call(Verb verb, std::vector<std::string> words,
               std::vector<UniqueFd> descriptors = {}) override;
  void tell(Verb verb, std::vector<std::string> words) override;
  void on_told(Verb verb, std::function<void(const Message&)> handler) final;
  void on_call(Verb verb, Answerer answerer) final;
  void on_lost(std::function<void()> handler) final;
  void take_told() final;

  /// Whether somebody waits for a result, or has waited since this was asked last.
  bool was_waited_for();

 protected:
  /// `main`: the thread for all handlers; outlives this.
  explicit ControlTalk(Executor& main) noexcept : main_(main) {}
  ~ControlTalk() override = default;

  // Of one thread, or of several in turn: a connection begins, a message comes from it, it is gone.
  void connected(std::shared_ptr<Wire> wire);
  void take(Message message);
  void lose();

 private:
  struct Lost {};
  using Outcome = std::variant<std::monostate, Message, Lost>;

  /// Returns when `is_answered` holds, which may change with each take() and lose().
  virtual void wait(std::unique_lock<std::mutex>& lock,
                    const std::function<bool()>& is_answered) = 0;
  /// After a take() or lose() that somebody may wait for.
  virtual void wake_waiting() = 0;

  void deliver(std::optional<Message::Kind> only = std::nullopt);
  void handle(const Message& message);
  void answer(const Message& call);
  void send(Message message);

  Executor& main_;
  std::map<Verb, std::function<void(const Message&)>> told_;
  std::map<Verb, Answerer> answerers_;
  std::function<void()> lost_;

  std::mutex mutex_;
  std::shared_ptr<Wire> wire_;         ///< null while there is no control process
  std::map<uint64_t, Outcome> calls_;  ///< that wait for their results
  std::deque<Message> incoming_;       ///< for the main thread
  uint64_t next_number_ = 1;
  bool waited_for_ = false;
};

}  // namespace tapring
