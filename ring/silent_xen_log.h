// SPDX-License-Identifier: MIT
// The Xen libraries print each failure to stderr unless told otherwise, and a guest can make them
// fail as often as it likes. We report through return values.
#pragma once

#include <xentoollog.h>

namespace tapring {

inline xentoollog_logger* silent_xen_log() noexcept {
  static xentoollog_logger logger{
      [](xentoollog_logger*, xentoollog_level, int, const char*, const char*, va_list) {},
      [](xentoollog_logger*, const char*, const char*, int, unsigned long, unsigned long) {},
      [](xentoollog_logger*) {}};
  return &logger;
}

}  // namespace tapring
