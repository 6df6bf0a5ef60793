// SPDX-License-Identifier: MIT
#pragma once

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "daemon/control/control.h"
#include "ring/unique_fd.h"

namespace tapring {

/// Answers every request at the control socket of `run_dir` with the same line, or never.
class ScriptedDaemon {
 public:
  ScriptedDaemon(const std::filesystem::path& run_dir, std::optional<std::string> answer)
      : answer_(std::move(answer)), socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, control_socket_path(run_dir).c_str(),
                 sizeof address.sun_path - 1);
    ::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    ::listen(socket_.get(), 8);
    thread_ = std::jthread([this] { serve(); });
  }
  ~ScriptedDaemon() { ::shutdown(socket_.get(), SHUT_RDWR); }
  ScriptedDaemon(const ScriptedDaemon&) = delete;
  ScriptedDaemon& operator=(const ScriptedDaemon&) = delete;

 private:
  void serve() {
    std::vector<UniqueFd> unanswered;
    while (UniqueFd peer{::accept(socket_.get(), nullptr, nullptr)}) {
      std::array<char, 4096> request{};
      ::recv(peer.get(), request.data(), request.size(), 0);
      if (answer_) {
        ::send(peer.get(), answer_->data(), answer_->size(), MSG_NOSIGNAL);
      } else {
        unanswered.push_back(std::move(peer));
      }
    }
  }

  const std::optional<std::string> answer_;
  UniqueFd socket_;
  std::jthread thread_;
};

}  // namespace tapring
