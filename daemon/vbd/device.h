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

  /// Reads what the toolstack wrote when it made the node, unless that is known already. False if
  /// advance() would have nothing to do.
  bool load_spec();

  /// Reads both states from xenstore and does what follows from them. May be called at any time,
  /// any number of times. Does nothing while something is under way in the background, which calls
  /// it again at its end.
  void advance();

  /// Whether a change at this path, in the backend's directory, calls for advance().
  bool concerns(std::string_view path) const { return !spec_.is_known() || node_.concerns(path); }

  /// Whether the path is that of a key that the toolstack wrote: then spec_wrote().
  bool is_of_spec(std::string_view path) const { return node_.is_of_spec(path); }

  /// One of these keys was written after we had read them. To be followed by advance().
  void spec_wrote() noexcept { spec_.wrote(); }

  /// The frontend's state was written, perhaps unchanged. To be followed by advance().
  void frontend_wrote() noexcept { refusal_.frontend_wrote(); }

  /// Tells the guest if others have made the image larger.
  void check_size() { connection_.check_size(); }

  /// Whether the path is that of a key of our policy: then policy_wrote().
  bool is_policy(std::string_view path) const { return node_.is_policy(path); }

  /// A key of our policy was written, or may have been. To be followed by advance().
  void policy_wrote() noexcept { pause_.policy_wrote(); }

  // Both return why it could not be done, or an empty text.

  /// Writes these fields of the policy to xenstore, where the next tapringd finds them.
  std::string set_policy(const PolicyWords& words) { return pause_.set_policy(words); }

  /// Retries the requests that are held.
  std::string resume() { return pause_.resume(); }

  /// The frontend's domain is dead, whatever the frontend's keys still say.
  void frontend_died();

  /// xenstored has lost its contents, and with them the node. Returns whether the disk is
  /// connected: then it is served on until the node is there again with its frontend.
  bool survive_store_loss();

  /// Answers what is in flight and lets go of the disk, leaving the guest waiting for the next
  /// tapringd.
  void shut_down();

  /// We serve it, or may be about to: it counts against max_disks.
  bool is_ours() const noexcept {
    return claim_.is_under_way() || handover_.is_moving() || owner_ == Owner::tapringd || !idle();
  }

  // Both return why it cannot be done. An empty text means that it has begun; report() then says
  // what came of it.

  /// Takes the disk from xen-blkback while the guest uses it. If that fails the kernel serves on.
  std::string adopt();

  /// Gives the disk to xen-blkback while the guest uses it. If that fails we serve on.
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
  VbdState last_;  ///< as it was read last; a later change causes an event
  std::string reason_;
  bool node_removed_ = false;
  bool frontend_dead_ = false;
  bool store_lost_ = false;  ///< the node is missing, and the disk is served on
  bool shutting_down_ = false;
};

}  // namespace tapring
