// SPDX-License-Identifier: MIT
// Xenstore for as long as the daemon lives, although xenstored may be restarted, hang or not have
// started yet. Disks in service do not depend on it.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "daemon/host/log.h"
#include "daemon/host/work.h"
#include "daemon/xenstore/xenstore.h"
#include "ring/executor.h"

namespace tapring {

/// A connection that is made again whenever it is lost, with the watches it had, each of which
/// fires then. While there is none everything throws XenstoreLost but unwatch() and take_events().
class ReconnectingXenstore final : public Xenstore {
 public:
  /// Makes a connection; throws std::system_error when there is nobody to connect to.
  using Opener = std::function<std::unique_ptr<XenstoreConnection>()>;

  /// From one attempt to the next: doubled each time.
  static constexpr std::chrono::milliseconds kFirstPause{100};
  static constexpr std::chrono::milliseconds kLongestPause{3000};

  /// `control` and `timer` outlive this. Losses are logged at `level`.
  ReconnectingXenstore(Opener open, Executor& control, Timer& timer,
                       LogLevel level = LogLevel::err);
  ReconnectingXenstore(const ReconnectingXenstore&) = delete;
  ReconnectingXenstore& operator=(const ReconnectingXenstore&) = delete;

  /// Connects, now or as soon as that is possible. On each new connection `on_connected` is called
  /// before anything else is asked of it. If it throws, the connection is given up, and made anew
  /// later.
  void connect(std::function<void()> on_connected);

  /// Why there is no connection; empty while there is one, and before connect().
  const std::string& absence() const noexcept { return absence_; }

  std::optional<std::string> read(const std::string& path) override;
  std::vector<std::string> list(const std::string& path) override;
  /// One that is under way when the connection is lost throws XenstoreLost as well.
  std::unique_ptr<XenstoreTransaction> begin() override;
  void watch(const std::string& path, const std::string& token) override;
  void unwatch(const std::string& path, const std::string& token) override;
  void deliver_to(std::function<void(const WatchEvent&)> sink) override;
  void take_events() override;
  bool domain_alive(DomainId domain) override;

 private:
  class TracedTransaction;
  using Watch = std::pair<std::string, std::string>;  ///< path, token

  template <typename Call>
  auto ask(Call call);
  /// At the level trace, and no more lines than a log can take.
  template <typename... Args>
  void trace(fmt::format_string<Args...> format, Args&&... args) {
    trace_.log(LogLevel::trace, "xenstore", format, std::forward<Args>(args)...);
  }
  void attempt();
  void watch_again(const std::set<Watch>& watches);
  void lose(const std::string& reason);

  const Opener open_;
  Executor& control_;
  Timer& timer_;
  const LogLevel level_;
  std::function<void()> on_connected_;
  std::function<void(const WatchEvent&)> sink_;
  std::unique_ptr<XenstoreConnection> connection_;
  std::set<Watch> watches_;
  std::string absence_;
  bool waiting_ = false;  ///< for the next attempt
  std::chrono::milliseconds pause_ = kFirstPause;
  LogLimit trace_{LogLimit::Rate{100, std::chrono::seconds(10)}};
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace tapring
