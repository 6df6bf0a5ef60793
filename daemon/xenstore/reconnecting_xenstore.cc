// SPDX-License-Identifier: MIT
#include "daemon/xenstore/reconnecting_xenstore.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <exception>

#include "formats/printable.h"

namespace tapring {

namespace {

/// Of a value, in the log.
constexpr std::size_t kMostTraced = 200;

}  // namespace

ReconnectingXenstore::ReconnectingXenstore(Opener open, Executor& control, Timer& timer,
                                           LogLevel level)
    : open_(std::move(open)), control_(control), timer_(timer), level_(level) {}

class ReconnectingXenstore::TracedTransaction final : public XenstoreTransaction {
 public:
  TracedTransaction(ReconnectingXenstore& store, std::unique_ptr<XenstoreTransaction> transaction)
      : store_(store), transaction_(std::move(transaction)) {}

  std::optional<std::string> read(const std::string& path) override {
    return transaction_->read(path);
  }
  void write(const std::string& path, const std::string& value) override {
    store_.trace("write {} = {}", path, escaped(value, kMostTraced));
    transaction_->write(path, value);
  }
  Outcome commit() override {
    const Outcome outcome = transaction_->commit();
    store_.trace("commit: {}", outcome == Outcome::done ? "done" : "others came between");
    return outcome;
  }

 private:
  ReconnectingXenstore& store_;
  std::unique_ptr<XenstoreTransaction> transaction_;
};

void ReconnectingXenstore::connect(std::function<void()> on_connected) {
  on_connected_ = std::move(on_connected);
  attempt();
}

template <typename Call>
auto ReconnectingXenstore::ask(Call call) {
  if (!connection_) throw XenstoreLost(ENOTCONN, "there is no connection");
  try {
    return call(*connection_);
  } catch (const XenstoreLost& loss) {
    lose(loss.what());
    throw;
  }
}

std::optional<std::string> ReconnectingXenstore::read(const std::string& path) {
  auto value = ask([&](Xenstore& store) { return store.read(path); });
  trace("read {}: {}", path, value ? escaped(*value, kMostTraced) : "(none)");
  return value;
}

std::vector<std::string> ReconnectingXenstore::list(const std::string& path) {
  auto names = ask([&](Xenstore& store) { return store.list(path); });
  trace("list {}: {} names", path, names.size());
  return names;
}

std::unique_ptr<XenstoreTransaction> ReconnectingXenstore::begin() {
  auto transaction = ask([](Xenstore& store) { return store.begin(); });
  if (!spdlog::should_log(LogLevel::trace)) return transaction;
  return std::make_unique<TracedTransaction>(*this, std::move(transaction));
}

void ReconnectingXenstore::watch(const std::string& path, const std::string& token) {
  ask([&](Xenstore& store) { store.watch(path, token); });
  watches_.emplace(path, token);
  trace("watch {}", path);
}

void ReconnectingXenstore::unwatch(const std::string& path, const std::string& token) {
  watches_.erase({path, token});
  if (connection_) connection_->unwatch(path, token);
}

void ReconnectingXenstore::deliver_to(std::function<void(const WatchEvent&)> sink) {
  sink_ = std::move(sink);
}

void ReconnectingXenstore::take_events() {
  if (connection_) connection_->take_events();
}

bool ReconnectingXenstore::domain_alive(DomainId domain) {
  return ask([&](Xenstore& store) { return store.domain_alive(domain); });
}

void ReconnectingXenstore::attempt() {
  waiting_ = false;
  try {
    connection_ = open_();
    connection_->deliver_to([this](const WatchEvent& event) {
      trace("event of {}", event.path);
      if (sink_) sink_(event);
    });
    connection_->on_loss([this](const std::string& reason) { lose(reason); });
    const std::set<Watch> watches = watches_;
    on_connected_();
    watch_again(watches);
  } catch (const std::exception& error) {
    return lose(error.what());
  }
  pause_ = kFirstPause;
  if (!std::exchange(absence_, {}).empty()) {
    spdlog::log(std::min(level_, LogLevel::info), "xenstore: connected again");
  }
}

void ReconnectingXenstore::watch_again(const std::set<Watch>& watches) {
  for (const auto& [path, token] : watches) {
    if (!watches_.contains({path, token})) continue;  // on_connected_() has ended it
    try {
      ask([&](Xenstore& store) { store.watch(path, token); });
    } catch (const XenstoreLost&) {
      throw;
    } catch (const std::system_error& refusal) {
      spdlog::error("{}", refusal.what());
    }
  }
}

/// The connection is lost, or could not be made.
void ReconnectingXenstore::lose(const std::string& reason) {
  if (std::exchange(waiting_, true)) return;
  // Each reason is told once, however many attempts it makes fail.
  if (absence_.empty()) {
    spdlog::log(level_, "{}; disks in service go on, none comes or goes until xenstore is there",
                reason);
  } else if (reason != absence_) {
    spdlog::log(level_, "{}", reason);
  }
  absence_ = reason;
  // Destroyed later, as one of its own calls or transactions may be what failed just now.
  if (connection_) control_.post([lost = std::move(connection_)] {});
  timer_.after(pause_, [this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) attempt();
  });
  pause_ = std::min(pause_ * 2, kLongestPause);
}

}  // namespace tapring
