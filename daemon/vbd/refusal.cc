// SPDX-License-Identifier: MIT
#include "daemon/vbd/refusal.h"

#include <spdlog/spdlog.h>

#include <chrono>
#include <utility>

namespace tapring {
namespace {

// Between two attempts at a refused disk whose guest waits for it in state 4.
constexpr std::chrono::seconds kPauseBeforeTryingAgain(10);

}  // namespace

bool Refusal::refuse(const std::string& reason, const std::string& last_reason) {
  frontend_wrote_ = false;
  if (std::exchange(tried_again_, false) && reason == last_reason) return false;
  device_.log(spdlog::level::err, "refused: {} (params '{}')", reason, spec_.params);
  status_ = "refused: " + reason;
  return true;
}

void Refusal::publish_status() {
  if (status_.empty()) return;
  const std::string status = std::exchange(status_, {});
  try {
    device_.node.write_status(status);
  } catch (const XenstoreLost&) {
    status_ = status;
    throw;
  }
}

Refusal::Answer Refusal::handle(const VbdState& now, bool must_close) {
  if (now.frontend != XenbusState::initialising) frontend_wrote_ = true;
  if (now.backend == XenbusState::closed) {
    const bool begins =
        now.frontend == XenbusState::initialising && frontend_wrote_ && device_.node.online();
    return begins ? Answer::claim_again : Answer::wait;
  }
  if (must_close) return Answer::close;
  // libxl runs the hotplug script when it has seen state 2, and gets the reason from it.
  if (now.backend == XenbusState::initialising) return Answer::offer;
  if (now.backend == XenbusState::init_wait && uses_our_script(spec_.script) &&
      device_.node.hotplug_status().empty()) {
    return Answer::wait;
  }
  if (now.backend != XenbusState::connected) return Answer::close;
  // An earlier tapringd connected it, and its guest waits: what is wrong may pass.
  try_again_later();
  return Answer::wait;
}

void Refusal::try_again_later() {
  if (std::exchange(will_try_again_, true)) return;
  device_.tasks.after(kPauseBeforeTryingAgain, [this] {
    will_try_again_ = false;
    tried_again_ = true;
    try_again_();
  });
}

}  // namespace tapring
