// SPDX-License-Identifier: MIT
// A refused disk: what the hotplug script is told of it, what its toolstack and frontend still get
// for an answer, and when it is tried again.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "daemon/vbd/device_context.h"

namespace tapring {

class Refusal {
 public:
  /// What handle() asks for.
  enum class Answer : uint8_t { wait, claim_again, offer, close };

  /// `try_again`: called on the control thread, a while after handle() has met a disk whose guest
  /// waits for it.
  Refusal(const DeviceScope& device, const VbdSpec& spec, std::function<void()> try_again)
      : device_(device), spec_(spec), try_again_(std::move(try_again)) {}
  Refusal(const Refusal&) = delete;
  Refusal& operator=(const Refusal&) = delete;

  /// The disk is refused for `reason`. False where that has been said already: the disk was tried
  /// again, and refused for the same reason, `last_reason`.
  bool refuse(const std::string& reason, const std::string& last_reason);

  /// For the hotplug script: the image can be opened.
  void accept() { status_ = "ready"; }

  /// Tells the hotplug script what is not told yet. To be called again where xenstore is lost over
  /// it.
  void publish_status();

  /// What to do with a refused disk in this state, of which nothing is open. `must_close`: nobody
  /// waits for it any more.
  Answer handle(const VbdState& now, bool must_close);

  /// The frontend's state was written, perhaps with what it was before.
  void frontend_wrote() noexcept { frontend_wrote_ = true; }

  /// The frontend begins anew.
  void begin() noexcept { frontend_wrote_ = false; }

  /// The disk is served: what is refused next is said again.
  void forget_attempt() noexcept { tried_again_ = false; }

 private:
  void try_again_later();

  DeviceScope device_;
  const VbdSpec& spec_;
  const std::function<void()> try_again_;
  std::string status_;  ///< not published yet
  /// A refused disk is tried again when its frontend has written its state and starts anew: it may
  /// have been elsewhere without our seeing it there.
  bool frontend_wrote_ = false;
  bool will_try_again_ = false;  ///< by a timer
  bool tried_again_ = false;     ///< likewise: what comes of it is to be seen
};

}  // namespace tapring
