// SPDX-License-Identifier: MIT
// A device that goes from xen-blkback to us and back while its guest uses it (Linux,
// drivers/block/xen-blkback/xenbus.c: xen_blkbk_remove, connect_ring). The rings stay as they are:
// whoever serves them answers all that was taken, and the other begins at the response index.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "daemon/vbd/blkback_storage.h"
#include "daemon/vbd/connection.h"
#include "daemon/vbd/device_context.h"

namespace tapring {

class BlkbackHandover {
 public:
  /// Each is called on the control thread.
  struct Callbacks {
    std::function<void()> connect_again;
    std::function<void()> taken;                           ///< unbound; it is to be connected
    std::function<void(const std::string& reason)> given;  ///< xen-blkback has it, for `reason`
    std::function<void()> failed;                          ///< whoever has the disk goes on
  };

  /// All outlive this.
  BlkbackHandover(const DeviceScope& device, const DiskIdentity& identity, ImageOpener& image,
                  Connection& connection, Callbacks callbacks)
      : device_(device),
        identity_(identity),
        image_(image),
        connection_(connection),
        callbacks_(std::move(callbacks)) {}
  BlkbackHandover(const BlkbackHandover&) = delete;
  BlkbackHandover& operator=(const BlkbackHandover&) = delete;

  // To us: what is wrong with the image is found while xen-blkback still serves the disk. Then the
  // device is unbound and connected.

  void take();

  /// Does what follows from the states of a disk that xen-blkback has.
  void proceed(const VbdState& now);

  /// The rings could not be bound: the driver is still about to end, or it does not work.
  void connect_failed(const std::string& error);

  /// Gives the disk back, or leaves it where it is.
  void cannot_take(const std::string& error);

  void connected() noexcept { stage_ = Stage::none; }

  // To xen-blkback: the disk ends with all requests answered, then the device is bound.

  /// Says why the driver cannot take the disk, or nothing.
  std::string give();

  void disk_ended();

  // And both.

  void fail(std::string reason);

  void forget_failure() noexcept { failure_.clear(); }

  bool is_under_way() const noexcept { return stage_ != Stage::none; }
  bool is_to_us() const noexcept { return is_under_way() && stage_ < Stage::draining; }
  bool is_to_blkback() const noexcept { return stage_ >= Stage::draining; }
  /// The device is just being unbound or bound.
  bool is_moving() const noexcept { return stage_ == Stage::unbinding || stage_ == Stage::binding; }
  /// Of the last one, for whoever asks when the disk is served again.
  const std::string& failure() const noexcept { return failure_; }

 private:
  enum class Stage : uint8_t { none, opening, unbinding, connecting, draining, binding };

  std::string why_not_the_same() const;
  void unbind();
  void unbind_ended(const std::string& error);
  std::string background_line() const;
  ServedFile served_file() const;
  std::string obstacle() const;
  std::string storage_obstacle() const;
  std::string negotiation_obstacle() const;
  std::string have_pages_returned();
  void bind(std::string why_back);
  void bind_ended(const std::string& error);

  DeviceScope device_;
  const DiskIdentity identity_;
  ImageOpener& image_;
  Connection& connection_;
  const Callbacks callbacks_;
  Stage stage_ = Stage::none;
  std::string failure_;
  std::string why_back_;                        ///< of a disk that could not be taken
  std::shared_ptr<const void> pages_returned_;  ///< Blkback::without_persistent_grants()
  unsigned attempts_left_ = 0;                  ///< to connect
};

}  // namespace tapring
