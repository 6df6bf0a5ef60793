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

void SimBackground::run(Work work) {
  if (running_ + held_.size() >= most_) {
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

void SimBackground::start(Work work) {
  ++running_;
  world_.after(kWorkTakes, [this, work = std::move(work)]() mutable {
    --running_;
    work();
  });
}

}  // namespace tapring::sim
