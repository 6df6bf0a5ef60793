// SPDX-License-Identifier: MIT
// A device's connection to its frontend: the rings, the disk that serves them on its workers, and
// what the frontend was offered and told.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "daemon/datapath/multi_queue_disk.h"
#include "daemon/datapath/negotiation.h"
#include "daemon/vbd/device_context.h"
#include "daemon/vbd/fault_log.h"
#include "daemon/vbd/image_opener.h"
#include "daemon/vbd/storage_pause.h"

namespace tapring {

/// Who served the rings before.
enum class Predecessor : uint8_t { none, tapringd, blkback };

class Connection {
 public:
  /// Each is called on the control thread.
  struct Callbacks {
    std::function<void()> connected;
    std::function<void(const std::string& error)> failed;  ///< then nothing is held
    std::function<void()> ended;
  };

  /// All outlive this.
  Connection(const DeviceScope& device, const DiskIdentity& identity, ImageOpener& image,
             StoragePause& pause, FaultLog& faults, Callbacks callbacks);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Maps and binds the rings that the frontend asks for, to serve the image that is open. Returns
  /// what is wrong with the frontend's keys; or an empty text, and then connected() or failed()
  /// follows.
  std::string connect(Predecessor before);

  /// Takes requests from now on. If it throws, as when xenstore fails, it is to be called again.
  void serve();

  /// Serves, and writes state 4 with the disk's size and features. False where our state is not
  /// `from` any more.
  bool announce(XenbusState from);

  /// Tells the guest if others have made the image larger.
  void check_size();

  /// Ends what is connected; ended() follows.
  void end(Disk::Ending ending);

  /// Nothing is held.
  bool is_closed() const noexcept { return stage_ == Stage::closed; }
  bool is_connecting() const noexcept { return stage_ == Stage::connecting; }
  /// Rings are mapped, served or about to be.
  bool is_connected() const noexcept { return stage_ > Stage::connecting && !is_ending(); }
  /// xenstore has the disk's size and features.
  bool is_announced() const noexcept { return stage_ == Stage::announced; }
  bool is_ending() const noexcept { return stage_ == Stage::ending; }

  /// The disk that was connected last, or is; null if none was.
  const std::shared_ptr<MultiQueueDisk>& disk() const noexcept { return disk_; }
  const RingSetup& rings() const noexcept { return rings_; }
  const ConnectionOffer& offered() const noexcept { return offered_; }

  void add_to(DiskReport& report) const;

 private:
  enum class Stage : uint8_t { closed, connecting, mapped, served, announced, ending };

  using Journals = decltype(DiskOptions::journals);
  Journals open_journals();
  RingOrigin origin_of_rings(Predecessor before) const;
  void connect_ended(const std::string& error);
  void measured(const Result<uint64_t>& sectors);

  DeviceScope device_;
  const DiskIdentity identity_;
  ImageOpener& image_;
  StoragePause& pause_;
  FaultLog& faults_;
  const Callbacks callbacks_;
  Stage stage_ = Stage::closed;
  bool measuring_ = false;
  RingSetup rings_;
  RingOrigin origin_;
  ConnectionOffer offered_;
  std::shared_ptr<MultiQueueDisk> disk_;
};

}  // namespace tapring
