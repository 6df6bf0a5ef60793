// SPDX-License-Identifier: MIT
// One vbd's state machine (xen/include/public/io/blkif.h, "STARTUP"; docs/architecture.md draws
// it): what follows from the two states in xenstore. Its parts do the work, each with a state of
// its own. Everything here runs on the control thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/vbd/blkback_handover.h"
#include "daemon/vbd/connection.h"
#include "daemon/vbd/device_context.h"
#include "daemon/vbd/disk_identity.h"
#include "daemon/vbd/fault_log.h"
#include "daemon/vbd/image_opener.h"
#include "daemon/vbd/node_claim.h"
#include "daemon/vbd/refusal.h"
#include "daemon/vbd/report.h"
#include "daemon/vbd/spec_reader.h"
#include "daemon/vbd/storage_pause.h"

namespace tapring {

class Device : public std::enable_shared_from_this<Device> {
 public:
  Device(DeviceContext& context, const VbdName& name);
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  /// Reads what the toolstack wrote when it made the node, if that is not known yet. False where
  /// there is nothing to advance().
  bool load_spec();

  /// Reads what is in xenstore and does what follows from it. Right at any time, any number of
  /// times; does nothing while something it began is under way, which goes on by itself.
  void advance();

  /// Whether a change at this path, in the backend's directory, calls for advance().
  bool concerns(std::string_view path) const { return !spec_.is_known() || node_.concerns(path); }

  /// Whether the path is that of a key that the toolstack wrote: then spec_wrote().
  bool is_of_spec(std::string_view path) const { return node_.is_of_spec(path); }

  /// One of them came after we had looked. Then advance().
  void spec_wrote() noexcept { spec_.wrote(); }

  /// The frontend's state was written, perhaps with what it was before. Then advance().
  void frontend_wrote() noexcept { refusal_.frontend_wrote(); }

  /// Tells the guest if others have made the image larger.
  void check_size() { connection_.check_size(); }

  /// Whether the path is that of a key of our policy: then policy_wrote().
  bool is_policy(std::string_view path) const { return node_.is_policy(path); }

  /// A key of our policy was written, or may have been. Then advance().
  void policy_wrote() noexcept { pause_.policy_wrote(); }

  // Both say why not, or nothing.

  /// Writes these fields of the policy to xenstore, where the next tapringd finds them.
  std::string set_policy(const PolicyWords& words) { return pause_.set_policy(words); }

  /// Tries the requests that are held.
  std::string resume() { return pause_.resume(); }

  /// Nothing will be heard of the frontend again, whatever its keys say.
  void frontend_died();

  /// xenstored has lost the node: a disk that is connected is served on without it, which is true,
  /// until it is there again with its frontend.
  bool survive_store_loss();

  /// Answers what is in flight and lets go of the disk, leaving the guest waiting for the next
  /// tapringd.
  void shut_down();

  /// Served by us, or to be; it may hold an image, rings, descriptors.
  bool is_ours() const noexcept {
    return claim_.is_under_way() || handover_.is_moving() || owner_ == Owner::tapringd || !idle();
  }

  // Each answers why not, or nothing: then it is under way, and report() says what came of it.

  /// Takes the disk from xen-blkback while the guest uses it. Where that does not work the kernel
  /// serves on.
  std::string adopt();

  /// Gives it to xen-blkback, likewise.
  std::string release();

  /// Nothing is held: no ring, no image.
  bool idle() const noexcept { return connection_.is_closed() && image_.is_idle(); }

  bool uses(const FileId& file) const;

  /// Both are one disk: see DiskIdentity.
  bool is_twin_of(const Device& other) const { return identity_.is_twin_of(other.identity_); }

  /// The node is gone, nothing is held, and nobody in the background moves the disk between
  /// xen-blkback and us: forget the device.
  bool is_gone() const noexcept {
    return node_removed_ && idle() && !claim_.is_examining() && !handover_.is_moving() &&
           !image_.is_dropping_witnesses();
  }

  const VbdName& name() const noexcept { return name_; }
  DiskReport report() const;

 private:
  ImageOpener::Callbacks image_callbacks();
  Connection::Callbacks connection_callbacks();
  BlkbackHandover::Callbacks handover_callbacks();

  bool read_spec();
  void await_key();
  void proceed();
  bool is_busy() const noexcept;
  bool moved(bool written);
  bool is_recreated() const;
  void on_node_removed();
  void go_on();

  void claim();
  void follow(const NodeClaim::Decision& decision);

  void step();
  bool must_close() const;
  void close();
  void begin();
  void connect();
  void announce();
  bool hotplug_done();
  bool blkback_serves() const;
  /// A tapringd before us connected the disk, and its guest waits.
  bool is_resumed() const noexcept {
    return last_.backend >= XenbusState::connected && !handover_.is_to_us();
  }
  void on_connected();
  void on_connect_failed(const std::string& error);
  void on_disk_ended();

  std::optional<Twin> twin() const;
  LockConflict lock_conflict(const FileInUse& in_use) const;

  void refuse(const std::string& reason);
  void handle_refused();
  void try_again();

  void on_given(const std::string& reason);

  DeviceContext& context_;
  const VbdName name_;
  VbdNode node_;
  DeviceTasks tasks_;
  DeviceLog log_;
  const DeviceScope scope_;
  SpecReader spec_;
  DiskSpec disk_spec_;
  const DiskIdentity identity_;
  NodeClaim claim_;
  ImageOpener image_;
  StoragePause pause_;
  FaultLog faults_;
  Connection connection_;
  BlkbackHandover handover_;
  Refusal refusal_;

  Owner owner_ = Owner::unknown;
  VbdState last_;  ///< that was read; what came since is told by an event
  std::string reason_;
  bool node_removed_ = false;
  bool frontend_dead_ = false;
  bool store_lost_ = false;  ///< the node is missing, and the disk is served on
  bool shutting_down_ = false;
};

}  // namespace tapring
