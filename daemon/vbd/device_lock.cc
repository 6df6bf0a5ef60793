// SPDX-License-Identifier: MIT
// A device whose image another has locked: who that is, and whether it is waited for.
//
// A lock of this host is waited for as long as the configuration says, then the disk is refused:
// somebody attached an image that is in use. Three are waited for without an end, as each goes by
// itself, and as to refuse would cost a guest its disk:
// - one of another host: the guest migrates to here, and runs there still or did a moment ago;
// - one of a disk of ours whose domain is the same guest: it migrates to the host where it is;
// - any, for a disk that a tapringd before us connected: if that died, its I/O may be under way.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "daemon/vbd/device.h"

namespace tapring {
namespace {

// Between two attempts, from the first on: a predecessor's I/O is done in a moment, or it hangs.
constexpr std::chrono::milliseconds kFirstPause(50);
constexpr std::chrono::milliseconds kLongestPause(1000);

}  // namespace

bool Device::uses(const FileId& file) const {
  const bool open = link_ != Link::none || image_stage_ == ImageStage::open ||
                    image_stage_ == ImageStage::releasing;
  return open && std::ranges::find(files_, file) != files_.end();
}

Device::LockRival Device::rival_for(const FileInUse& conflict) const {
  if (const Device* other = context_.user_of(conflict.file(), *this)) {
    const bool migrates = !spec_.guest.empty() && spec_.guest == other->spec_.guest &&
                          name_.domain != other->name_.domain;
    // What a twin may not share, or has by another path, stays with it as long as it is connected.
    const bool leaves =
        is_of_same_machine(*other) ? other->link_ != Link::connected : migrates;
    return {fmt::format("disk {} of this tapringd", other->label()), leaves};
  }
  return {describe(conflict.holders(), conflict.path()), !conflict.holders().on_this_host};
}

void Device::locked_out(const FileInUse& conflict, Purpose purpose) {
  const LockRival rival = rival_for(conflict);
  if (rival.leaves && purpose == Purpose::checking) {
    log(spdlog::level::info, "{} is in use by {}: waited for when the guest's driver is here",
        conflict.path(), rival.words);
    return image_checked();
  }
  lock_pause_ = std::clamp(2 * lock_pause_, kFirstPause, kLongestPause);
  if (!rival.leaves && !is_taken_up()) {
    // By the clock: to try may take long as well, and libxl's patience has an end.
    const std::chrono::milliseconds left =
        lock_wanted_since_ + context_.lock_wait - context_.timer.now();
    if (left <= std::chrono::milliseconds::zero()) {
      return refuse(fmt::format("{} is in use by {}", conflict.path(), rival.words));
    }
    lock_pause_ = std::min(lock_pause_, left);
  }
  image_stage_ = ImageStage::locked_out;
  const std::string before = std::exchange(
      locked_by_,
      fmt::format("waiting for the lock of {}, held by {}", conflict.path(), rival.words));
  if (locked_by_ != before) log(spdlog::level::info, "{}", locked_by_);
  wait_for_lock(purpose);
}

void Device::begin_waiting_for_lock() {
  lock_wanted_since_ = context_.timer.now();
  lock_pause_ = {};
}

void Device::wait_for_lock(Purpose purpose) {
  context_.timer.after(lock_pause_, [weak = weak_from_this(), purpose, attempt = open_attempt_] {
    const auto self = weak.lock();
    if (!self) return;
    self->context_.control.post([self, purpose, attempt] {
      const bool wanted =
          attempt == self->open_attempt_ && self->image_stage_ == ImageStage::locked_out;
      if (wanted) self->try_opening(purpose);
    });
  });
}

}  // namespace tapring
