// SPDX-License-Identifier: MIT
// A worker process's connection to the control process, which may end and be started anew, as on an
// upgrade: it finds the worker by the socket where this listens.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "daemon/host/control_talk.h"
#include "daemon/host/message_socket.h"
#include "ring/executor.h"
#include "ring/unique_fd.h"

namespace tapring {

class ControlLink final : public ControlTalk {
 public:
  /// `listener`: a socket of packets. Only processes of our own user are let in. `main`: the thread
  /// for all handlers; outlives this. `hello`: the words that each connection begins with.
  ControlLink(UniqueFd listener, Executor& main, std::vector<std::string> hello);
  /// Only at the end of the process: the thread that listens is not waited for.
  ~ControlLink() override = default;

  /// Waits for the control process, and from then on hears it. To be called once all handlers are
  /// set.
  void start();

 private:
  class SocketWire;

  void wait(std::unique_lock<std::mutex>& lock, const std::function<bool()>& is_answered) override;
  void wake_waiting() override { changed_.notify_all(); }
  void connect();
  UniqueFd accept_control() const;
  void talk();

  UniqueFd listener_;
  const std::vector<std::string> hello_;
  std::condition_variable changed_;
  std::shared_ptr<MessageSocket> socket_;  ///< of the thread that listens
};

}  // namespace tapring
