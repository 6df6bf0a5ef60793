// SPDX-License-Identifier: MIT
// Reads what the toolstack wrote when it made a device's node, as soon as that is complete, and
// watches its frontend from then on.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "daemon/vbd/device_context.h"

namespace tapring {

class SpecReader {
 public:
  enum class Found : uint8_t {
    nothing,     ///< the node is gone
    incomplete,  ///< obstacle() names the key that is missing
    invalid,     ///< nobody should serve it: obstacle() says why
    complete,
  };

  /// `look`: called on the control thread when read() may find more than it did.
  SpecReader(const DeviceScope& device, std::function<void()> look)
      : device_(device), look_(std::move(look)) {}
  ~SpecReader() { stop_watching(); }
  SpecReader(const SpecReader&) = delete;
  SpecReader& operator=(const SpecReader&) = delete;

  Found read();

  /// One of its keys was written after read() had found it complete.
  void wrote() noexcept { wrote_ = true; }

  /// Reads the keys again if one was written and the disk is not `in_use`. The image stays the one
  /// that was found first: it may be open already.
  void refresh(bool in_use);

  void stop_watching();

  bool is_known() const noexcept { return known_; }
  const VbdSpec& spec() const noexcept { return spec_; }
  const std::string& obstacle() const noexcept { return obstacle_; }

 private:
  bool awaits_script();
  void take(VbdSpec spec);

  DeviceScope device_;
  const std::function<void()> look_;
  VbdSpec spec_;
  bool known_ = false;
  bool wrote_ = false;
  bool watching_ = false;
  bool script_awaited_ = false;   ///< of a node that has none yet
  bool script_given_up_ = false;  ///< it has none
  std::string obstacle_;
};

}  // namespace tapring
