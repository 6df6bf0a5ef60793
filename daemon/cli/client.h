// SPDX-License-Identifier: MIT
#pragma once

#include <boost/json/fwd.hpp>
#include <chrono>
#include <filesystem>
#include <stdexcept>

#include "daemon/host/reply_timeout.h"

namespace tapring {

/// Nobody answers at the control socket, or the answer is not a tapringd's. what() says which, and
/// what to do about it.
struct NoDaemon : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The daemon was asked and has not answered in time: it may still do what it was asked.
struct NoAnswer : NoDaemon {
  using NoDaemon::NoDaemon;
};

/// Longer than the daemon waits for xenstored: its control thread answers nobody meanwhile.
inline constexpr std::chrono::seconds kAnswerTime =
    ReplyTimeout::kPatience + std::chrono::seconds(10);

/// Sends one request to the daemon of `run_dir`, over a new connection, and returns its answer.
/// Blocks for up to `time`. Throws NoDaemon.
boost::json::object ask_daemon(const std::filesystem::path& run_dir,
                               const boost::json::object& request,
                               std::chrono::milliseconds time = kAnswerTime);

}  // namespace tapring
