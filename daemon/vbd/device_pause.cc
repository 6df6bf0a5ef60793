// SPDX-License-Identifier: MIT
// A device whose storage fails: its policy, and the requests that wait.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <utility>

#include "daemon/vbd/device.h"
#include "formats/printable.h"

namespace tapring {
namespace {

constexpr std::chrono::seconds kHeldLookedAt{1};

}  // namespace

/// What xenstore says by now of what becomes of requests that the storage fails.
void Device::read_policy() {
  if (gone_) return;
  const PolicyWords words = node_.read_policy();
  policy_moved_ = false;  // not before: where xenstore is lost over it, the next look reads it
  policy_ = context_.errors;
  for (const auto& [field, word] : words) {
    if (assign(policy_, field, word)) continue;
    log(spdlog::level::warn, "its policy in xenstore, {} = {}: must be {}; taken as {}", field,
        escaped(word), expected_of(field), kDefaultWord);
  }
  if (pause_) pause_->set_policy(policy_);
  if (link_ == Link::connected) disk_->check_held();
}

std::string Device::set_policy(const PolicyWords& words) {
  if (!node_.write_policy(words)) return "it is gone";
  read_policy();
  log(spdlog::level::info, "policy: on_no_space {}, on_io_error {}, pause_limit_seconds {}",
      on_error_name(policy_.on_no_space), on_error_name(policy_.on_io_error),
      policy_.pause_limit_seconds);
  return {};
}

std::string Device::resume() {
  if (!is_paused()) return "it is not paused";
  disk_->retry_held();
  return {};
}

/// For a disk that will be connected.
std::shared_ptr<DiskPause> Device::make_pause() {
  watching_held_ = false;
  read_policy();
  pause_ =
      std::make_shared<DiskPause>(policy_, [weak = weak_from_this(), &control = context_.control] {
        control.post([weak] {
          if (const auto self = weak.lock()) self->paused();
        });
      });
  return pause_;
}

void Device::paused() {
  if (watching_held_ || !is_paused()) return;
  watching_held_ = true;
  given_up_before_ = pause_->given_up();
  paused_since_ = std::chrono::system_clock::now();
  log(spdlog::level::err, "paused: {}: {}", paused_for(), paused_reason());
  check_held(pause_);
}

/// Again and again, for as long as `pause` is that of the disk and holds anything.
void Device::check_held(const std::shared_ptr<DiskPause>& pause) {
  context_.timer.after(kHeldLookedAt, [weak = weak_from_this(), pause] {
    const auto self = weak.lock();
    if (!self || self->pause_ != pause || self->link_ != Link::connected) return;
    if (pause->held() > 0) {
      self->disk_->check_held();
      return self->check_held(pause);
    }
    self->tell_end_of_pause();
  });
}

/// Once for each pause that was told. Whether anything is held is not asked again: what a worker
/// holds from then on is another pause, and its paused() is on the way and must not find this one.
void Device::tell_end_of_pause() {
  if (!std::exchange(watching_held_, false)) return;
  log(spdlog::level::info, "goes on; {} request(s) waited as long as they may, and failed",
      pause_->given_up() - given_up_before_);
}

}  // namespace tapring
