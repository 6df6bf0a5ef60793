// SPDX-License-Identifier: MIT
#include "tests/sim/background.h"

#include <system_error>
#include <utility>

namespace tapring::sim {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""us;
constexpr Latency kWorkTakes{50us, 5ms};

}  // namespace

void SimBackground::run_few(std::size_t /*most*/, const std::string& /*line*/, Work work) {
  if (running_.size() + held_.size() >= most_) {
    throw std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again),
                            "too much work in the background");
  }
  if (holding_) {
    held_.push_back(std::move(work));
  } else {
    start(std::move(work));
  }
}

void SimBackground::release() {
  for (Work& work : std::exchange(held_, {})) start(std::move(work));
}

void SimBackground::drop() {
  held_.clear();
  running_.clear();
}

void SimBackground::start(Work work) {
  const uint64_t number = started_++;
  running_.emplace(number, std::move(work));
  world_.after(kWorkTakes, [this, number] {
    auto done = running_.extract(number);
    if (done) done.mapped()();
  });
}

}  // namespace tapring::sim
