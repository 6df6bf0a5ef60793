// SPDX-License-Identifier: MIT
// One vbd's state machine (xen/include/public/io/blkif.h, "STARTUP"; docs/architecture.md draws
// it). Everything here runs on the control thread; what may block is done in the background, what
// touches a ring on the disk's workers, and both come back by Executor::post.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/background.h"
#include "daemon/blkback.h"
#include "daemon/disk_spec.h"
#include "daemon/log.h"
#include "daemon/open_disk.h"
#include "daemon/report.h"
#include "daemon/spread_disk.h"
#include "daemon/timer.h"
#include "daemon/vbd_name.h"
#include "daemon/vbd_node.h"
#include "daemon/workers.h"

namespace tapring {

/// What all devices work with. Outlives them.
struct DeviceContext {
  Xenstore& store;
  Executor& control;
  Background& background;
  Timer& timer;
  const Blkback& blkback;
  Workers& workers;
  LogLimit& log_limit;
  DomainId backend_domain = 0;
  TransportOffer offer;
  DiskOpener open_disk;
  std::function<void(const VbdName&)> finished;  ///< called once finished(); may not destroy it
};

class Device : public std::enable_shared_from_this<Device> {
 public:
  Device(DeviceContext& context, const VbdName& name);
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  ~Device();

  /// Reads what the toolstack wrote when it made the node, if that is not known yet. False where
  /// there is nothing to advance().
  bool learn_spec();

  /// Reads what is in xenstore and does what follows from it. Right at any time, any number of
  /// times; does nothing while something it began is under way, which goes on by itself.
  void advance();

  /// Whether a change at this path, in the backend's directory, calls for advance().
  bool concerns(std::string_view path) const { return !spec_known_ || node_.concerns(path); }

  /// The frontend's state was written, perhaps with what it was before. Then advance().
  void frontend_wrote() noexcept { frontend_moved_ = true; }

  /// Tells the guest if others have made the image larger.
  void check_size();

  /// Nothing will be heard of the frontend again, whatever its keys say.
  void frontend_died();

  /// Answers what is in flight and lets go of the disk, leaving the guest waiting for the next
  /// tapringd.
  void shut_down();

  /// Nothing is held: no ring, no image.
  bool idle() const noexcept { return link_ == Link::none && image_stage_ == ImageStage::none; }

  /// The node is gone and nothing is held: forget the device.
  bool finished() const noexcept { return gone_ && idle(); }

  const VbdName& name() const noexcept { return name_; }
  DiskReport report() const;

 private:
  /// Whose the node is.
  enum class Claim : uint8_t { unknown, examining, ours, kernels, others, refused };
  /// `unwanted`: still opening, and to be closed as soon as it is open.
  enum class ImageStage : uint8_t { none, opening, open, unwanted, releasing };
  /// The disk on its workers.
  enum class Link : uint8_t { none, connecting, connected, ending };

  struct Examination {
    bool block_device = false;
    Error unbinding;
  };

  bool read_spec();
  void proceed();
  bool moved(bool written);
  bool is_another_life(const VbdState& now) const;
  void vanish();
  void stop_watching();
  void claim(const VbdState& now);
  void examine(const VbdState& now, bool leave_block_devices);
  void examined(const Examination& result);
  /// In the background; refuses the disk where that is not possible.
  void run_aside(Work work);
  void leave_to_kernel(std::string reason);

  void step(const VbdState& now);
  bool must_close(const VbdState& now) const;
  void close(const VbdState& now);
  void stay_refused(const VbdState& now);
  void begin(const VbdState& now);

  void open_image();
  void image_opened(uint64_t attempt, std::unique_ptr<OpenImage> image, const std::string& error);
  void release_image();
  void image_released();
  void await_opening();
  void give_up_opening(uint64_t attempt);
  void close_aside(std::unique_ptr<OpenImage> image, Work then);
  bool hotplug_done();
  void connect(const VbdState& now);
  void attach(const DiskOptions& options);
  void attached(const std::string& error);
  bool tell_connected();
  void measured(const Result<uint64_t>& sectors);
  void end_disk(Disk::Ending ending);
  void disk_ended();

  void refuse(const std::string& reason);

  /// A guest can cause many lines about its disk: their number is limited.
  template <typename... Args>
  void log(LogLevel level, fmt::format_string<Args...> format, Args&&... args) {
    context_.log_limit.log(level, label(), format, std::forward<Args>(args)...);
  }
  std::string label() const;
  std::string state_name() const;
  std::string reason() const;

  DeviceContext& context_;
  const VbdName name_;
  VbdNode node_;
  VbdSpec spec_;
  bool spec_known_ = false;
  bool watching_ = false;
  DiskSpec disk_spec_;

  Claim claim_ = Claim::unknown;
  ImageStage image_stage_ = ImageStage::none;
  Link link_ = Link::none;
  bool gone_ = false;
  bool frontend_dead_ = false;
  bool shutting_down_ = false;
  bool measuring_ = false;
  /// A refused disk is tried again when its frontend has written its state and starts anew: it may
  /// have been elsewhere without our seeing it there.
  bool frontend_moved_ = false;
  std::string reason_;
  VbdState last_;  ///< that was read; what came since is told by an event

  uint64_t open_attempt_ = 0;  ///< results of an earlier one are dropped
  std::unique_ptr<OpenImage> image_;
  Geometry geometry_;
  std::vector<std::string> notices_;

  RingSetup rings_;
  ConnectionOffer offered_;
  std::shared_ptr<SpreadDisk> disk_;  ///< the last one that was connected, if any was
};

}  // namespace tapring
