// SPDX-License-Identifier: MIT
// The control process, as a worker process has it: the port. control_link is the real one.
#pragma once

#include <functional>
#include <string>
#include <system_error>
#include <vector>

#include "daemon/host/message.h"

namespace tapring {

/// The control process is not there, or ended before it had answered: what was asked of it last may
/// have been done.
class ControlLost : public std::system_error {
 public:
  explicit ControlLost(int error)
      : std::system_error(error, std::system_category(), "the control process") {}
};

/// The control process could not do it.
class ControlRefused : public std::system_error {
 public:
  /// `store_lost`: because there is no connection to xenstored.
  ControlRefused(int error, const std::string& what, bool store_lost)
      : std::system_error(error, std::system_category(), what), store_lost_(store_lost) {}

  bool store_lost() const noexcept { return store_lost_; }

 private:
  bool store_lost_;
};

class ControlPort {
 public:
  virtual ~ControlPort() = default;

  /// Asks the control process and waits for the result. For any thread. Throws ControlLost and
  /// ControlRefused.
  virtual Message call(Verb verb, std::vector<std::string> words,
                       std::vector<UniqueFd> descriptors = {}) = 0;

  /// Likewise, what is about a disk: throws ControlLost also where the control process has no
  /// xenstore, which it needs for that. A later attempt may succeed.
  Message call_about_disk(Verb verb, std::vector<std::string> words);

  /// Tells it something; that is dropped while it is not there. For any thread.
  virtual void tell(Verb verb, std::vector<std::string> words) = 0;

  // The following are for the main thread of the worker process.

  /// Who is told a verb, on the main thread.
  virtual void on_told(Verb verb, std::function<void(const Message&)> handler) = 0;

  /// Who answers a call, likewise: returns the result's words.
  using Answerer = std::function<std::vector<std::string>(const Message&)>;
  virtual void on_call(Verb verb, Answerer answerer) = 0;

  /// Who is told that the control process is gone.
  virtual void on_lost(std::function<void()> handler) = 0;

  /// Hands on now what has been told already.
  virtual void take_told() = 0;
};

}  // namespace tapring
