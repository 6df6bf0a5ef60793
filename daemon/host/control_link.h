// SPDX-License-Identifier: MIT
// A worker process's connection to the control process, which may end and be started anew, as on an
// upgrade: it finds the worker by the socket where this listens.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "daemon/host/control_port.h"
#include "daemon/host/message_socket.h"
#include "ring/executor.h"
#include "ring/unique_fd.h"

namespace tapring {

class ControlLink final : public ControlPort {
 public:
  /// `listener`: a socket of packets. Only processes of our own user are let in. `main`: the thread
  /// for all handlers; outlives this. `hello`: the words that each connection begins with.
  ControlLink(UniqueFd listener, Executor& main, std::vector<std::string> hello);
  ControlLink(const ControlLink&) = delete;
  ControlLink& operator=(const ControlLink&) = delete;
  /// Only at the end of the process: the thread that listens is not waited for.
  ~ControlLink() override = default;

  /// Waits for the control process, and from then on hears it. To be called once all handlers are
  /// set.
  void start();

  Message call(Verb verb, std::vector<std::string> words,
               std::vector<UniqueFd> descriptors = {}) override;
  void tell(Verb verb, std::vector<std::string> words) override;
  void on_told(Verb verb, std::function<void(const Message&)> handler) override;
  void on_call(Verb verb, Answerer answerer) override;
  void on_lost(std::function<void()> handler) override;
  void take_told() override;

  /// Whether somebody waits for a result, or has waited since this was asked last.
  bool was_waited_for();

 private:
  struct Lost {};
  using Outcome = std::variant<std::monostate, Message, Lost>;

  void connect();
  UniqueFd accept_control() const;
  void talk();
  void take(Message message);
  void lose();
  void deliver(std::optional<Message::Kind> only = std::nullopt);
  void handle(const Message& message);
  void answer(const Message& call);
  void send(Message message);

  UniqueFd listener_;
  Executor& main_;
  const std::vector<std::string> hello_;
  std::map<Verb, std::function<void(const Message&)>> told_;
  std::map<Verb, Answerer> answerers_;
  std::function<void()> lost_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::shared_ptr<MessageSocket> socket_;  ///< null while there is no control process
  std::map<uint64_t, Outcome> calls_;      ///< that wait for their results
  std::deque<Message> incoming_;           ///< for the main thread
  uint64_t next_number_ = 1;
  bool waited_for_ = false;
};

}  // namespace tapring
