// SPDX-License-Identifier: MIT
#include "tests/sim/xenstored.h"

#include <algorithm>
#include <cerrno>

namespace tapring::sim {
namespace {

using std::chrono_literals::operator""ms;
constexpr Time kSoon = 20ms;

}  // namespace

std::unique_ptr<SimXenstore> SimXenstored::connect(SimExecutor& thread, DomainId domain) {
  if (away()) throw XenstoreLost(ECONNREFUSED, "cannot reach xenstored");
  auto connection = std::make_unique<SimXenstore>(world_, machine_, store_, thread, domain);
  newest_ = connection.get();
  newest_life_ = connection->life();
  return connection;
}

void SimXenstored::go_away(Time time) {
  back_ = std::max(back_, world_.now() + time);
  lose_newest();
}

void SimXenstored::go_away_at(uint64_t call, Time time) {
  back_ = std::max(back_, world_.now() + time);
  if (newest_life_.expired()) return;
  newest_->lose_at(call);
  world_.after(kSoon, [this] {
    if (away()) lose_newest();
  });
}

void SimXenstored::lose_newest() {
  if (!newest_life_.expired()) newest_->lose();
}

}  // namespace tapring::sim
