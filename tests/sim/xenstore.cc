// SPDX-License-Identifier: MIT
#include "tests/sim/xenstore.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <system_error>
#include <utility>

#include "tests/sim/transaction.h"

namespace tapring::sim {
namespace {

using std::chrono_literals::operator""us;
constexpr Latency kToDelivery{10us, 900us};
constexpr Latency kToLoss{0us, 2000us};
constexpr double kMerged = 0.5;

[[noreturn]] void refuse(int error, const std::string& what) {
  throw std::system_error(error, std::system_category(), "xenstore: " + what);
}

/// Of a process that was killed.
class NoTransaction final : public XenstoreTransaction {
 public:
  std::optional<std::string> read(const std::string& /*path*/) override { return std::nullopt; }
  void write(const std::string& /*path*/, const std::string& /*value*/) override {}
  Outcome commit() override { return Outcome::done; }
};

}  // namespace

/// One that may lose its connection.
class SimXenstore::Transaction final : public XenstoreTransaction {
 public:
  explicit Transaction(SimXenstore& connection)
      : connection_(connection), inner_(connection.world_, connection.store_, connection.domain_) {}

  std::optional<std::string> read(const std::string& path) override {
    connection_.count_call();
    return inner_.read(path);
  }

  void write(const std::string& path, const std::string& value) override {
    connection_.count_call();
    inner_.write(path, value);
  }

  Outcome commit() override {
    connection_.count_call();
    const Outcome outcome = inner_.commit();
    // Lost in the middle of it: it is done, and nobody hears of it.
    if (connection_.lost_) throw XenstoreLost(ECONNRESET, "commit");
    return outcome;
  }

 private:
  SimXenstore& connection_;
  SimTransaction inner_;
};

SimXenstore::SimXenstore(SimWorld& world, SimMachine& machine, SimStore& store, SimExecutor& thread,
                         DomainId own_domain)
    : world_(world), machine_(machine), store_(store), thread_(thread), domain_(own_domain) {}

std::optional<std::string> SimXenstore::read(const std::string& path) {
  count_call();
  if (dead_ || !store_.permits(domain_, absolute(path), Right::read)) return std::nullopt;
  return store_.read(absolute(path));
}

std::vector<std::string> SimXenstore::list(const std::string& path) {
  count_call();
  if (dead_ || !store_.permits(domain_, absolute(path), Right::read)) return {};
  return store_.list(absolute(path));
}

std::unique_ptr<XenstoreTransaction> SimXenstore::begin() {
  if (dead_) return std::make_unique<NoTransaction>();
  count_call();
  return std::make_unique<Transaction>(*this);
}

void SimXenstore::watch(const std::string& path, const std::string& token) {
  count_call();
  if (store_.watches(absolute(path), token, *this)) refuse(EEXIST, "watch " + path);
  if (domain_ != 0 && store_.watches_of(domain_) >= StoreQuota::kWatches) {
    refuse(E2BIG, "watch " + path);
  }
  if (absolute(path) != path) relative_.emplace(absolute(path), token);
  if (!dead_) store_.watch(absolute(path), token, *this, domain_);
}

void SimXenstore::unwatch(const std::string& path, const std::string& token) {
  store_.unwatch(absolute(path), token, *this);
  relative_.erase({absolute(path), token});
}

void SimXenstore::remove(const std::string& path) {
  if (!store_.permits(domain_, absolute(path), Right::write)) refuse(EACCES, "remove " + path);
  store_.remove(absolute(path));
}

void SimXenstore::deliver_to(std::function<void(const WatchEvent&)> sink) {
  sink_ = std::move(sink);
}

void SimXenstore::on_loss(std::function<void(const std::string& reason)> told) {
  told_ = std::move(told);
}

void SimXenstore::take_events() {
  if (dead_) return;
  for (uint64_t most = world_.random().below(events_.size() + 1); most > 0; --most) deliver_one();
}

bool SimXenstore::domain_alive(DomainId domain) {
  count_call();
  return machine_.alive(domain) && store_.exists("/local/domain/" + std::to_string(domain));
}

void SimXenstore::lose() {
  if (dead_ || std::exchange(lost_, true)) return;
  store_.unwatch_all(*this);
  events_.clear();
  world_.after(kToLoss, [this, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    thread_.post([this, alive] {
      if (!alive.expired() && told_) told_("xenstore: the connection is lost");
    });
  });
}

/// Throws where there is no connection any more.
void SimXenstore::count_call() {
  if (dead_) return;
  if (calls_left_ > 0 && --calls_left_ == 0) lose();
  if (lost_) throw XenstoreLost(ECONNRESET, "ask");
}

void SimXenstore::die() {
  dead_ = true;
  store_.unwatch_all(*this);
  alive_.reset();
}

uint64_t SimXenstore::read_number(const std::string& path) {
  const std::string text = read(path).value_or("");
  uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

void SimXenstore::changed(const std::string& watched, const std::string& token,
                          const std::string& path) {
  const bool relative = relative_.contains({watched, token});
  WatchEvent event{relative ? path.substr(absolute("").size()) : path, token};
  const bool waiting = std::ranges::any_of(events_, [&](const WatchEvent& other) {
    return other.path == event.path && other.token == event.token;
  });
  if (waiting && world_.random().chance(kMerged)) return;
  events_.push_back(std::move(event));
  world_.after(kToDelivery, [this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) deliver_later();
  });
}

std::string SimXenstore::absolute(const std::string& path) const {
  return absolute_path(domain_, path);
}

void SimXenstore::deliver_later() {
  thread_.post([this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) deliver_one();
  });
}

void SimXenstore::deliver_one() {
  // Taken by now, perhaps.
  if (events_.empty()) return;
  const WatchEvent event = std::move(events_.front());
  events_.pop_front();
  if (sink_) sink_(event);
}

}  // namespace tapring::sim
