// SPDX-License-Identifier: MIT
// The log lines of one device. A guest can cause many of them: their number is limited.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>

#include "daemon/host/log.h"
#include "ring/grants.h"

namespace tapring {

class DeviceLog {
 public:
  DeviceLog(LogLimit& limit, DomainId domain) : limit_(limit), domain_(domain) { set_vdev(""); }
  ~DeviceLog() { limit_.forget(label_); }
  DeviceLog(const DeviceLog&) = delete;
  DeviceLog& operator=(const DeviceLog&) = delete;

  /// As soon as the toolstack has said what the disk is called: "xvda".
  void set_vdev(const std::string& vdev) { label_ = fmt::format("{}/{}", domain_, vdev); }

  /// "1/xvda", which each line begins with.
  const std::string& label() const noexcept { return label_; }

  template <typename... Args>
  void operator()(LogLevel level, fmt::format_string<Args...> format, Args&&... args) {
    limit_.log(level, label_, format, std::forward<Args>(args)...);
  }

 private:
  LogLimit& limit_;
  const DomainId domain_;
  std::string label_;
};

}  // namespace tapring
