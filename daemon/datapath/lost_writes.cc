// SPDX-License-Identifier: MIT
#include "daemon/datapath/lost_writes.h"

namespace tapring {

void LostWrites::mark(const char* how, Error cause) noexcept {
  if (any_) return;
  const std::lock_guard lock(mutex_);
  if (any_) return;
  how_ = how;
  cause_ = cause;
  for (Listener* listener : listeners_) listener->writes_lost(how, cause);
  // Last: another thread that sees this answers its guest, and the journals are marked by then.
  any_ = true;
}

void LostWrites::add(Listener& listener) {
  const std::lock_guard lock(mutex_);
  listeners_.push_back(&listener);
  if (any_) listener.writes_lost(how_, cause_);
}

void LostWrites::remove(Listener& listener) noexcept {
  const std::lock_guard lock(mutex_);
  std::erase(listeners_, &listener);
}

}  // namespace tapring
