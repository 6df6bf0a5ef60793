// SPDX-License-Identifier: MIT
// A guest's block driver for one disk: what it says to the backend through xenstore, and its rings.
#pragma once

#include <xen/io/xenbus.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/pretend/guest_queue.h"
#include "tests/pretend/guest_world.h"
#include "tests/sim/toolstack.h"

namespace tapring::pretend {

/// Who uses the disk.
class DiskUser {
 public:
  virtual void answered(GuestQueue& queue, uint32_t slot, int16_t status) = 0;
  /// All responses of an event were taken: time to ask for more.
  virtual void answered_all(GuestQueue& queue) = 0;

 protected:
  ~DiskUser() = default;
};

struct GuestDiskOptions {
  std::string protocol = "x86_64-abi";
  unsigned queues = 1;  ///< less if the backend wants less; also the next and the last
  unsigned ring_order = 0;
  uint32_t depth = 32;  ///< of each queue
  uint32_t segments = 32;
};

/// Everything throws std::runtime_error if the backend does not follow in time.
class GuestDisk {
 public:
  GuestDisk(GuestWorld& world, sim::DiskName name, GuestDiskOptions options, DiskUser& user);
  GuestDisk(const GuestDisk&) = delete;
  GuestDisk& operator=(const GuestDisk&) = delete;
  ~GuestDisk();

  /// Up to state 4 of both, with some keys in place of the right ones. Also again, after close().
  void connect(const XenstoreKeys& changed = {});

  /// Waits for what is under way, then up to state 6 of both, or till the backend's node is gone.
  /// Nothing of ours may be in use then.
  void close();

  /// The same as far as our state 3.
  void offer(const XenstoreKeys& changed = {});

  void set_state(uint32_t state, XenstoreKeys keys = {});
  uint32_t backend_state();
  void wait_for_backend(uint32_t state);

  /// The toolstack wants it back, or the backend went away.
  bool is_to_close() { return backend_state() != XenbusStateConnected; }

  uint64_t sectors() const noexcept { return sectors_; }
  bool read_only() const noexcept { return read_only_; }
  bool discards() const noexcept { return discards_; }
  std::vector<std::unique_ptr<GuestQueue>>& queues() noexcept { return queues_; }
  uint32_t in_flight() const noexcept;
  std::vector<std::string> violations() const;

 private:
  void make_queues();
  void release();

  GuestWorld& world_;
  sim::DiskName name_;
  GuestDiskOptions options_;
  DiskUser& user_;
  std::string directory_;
  std::string backend_;
  DomainId backend_domain_ = 0;
  std::vector<std::unique_ptr<GuestQueue>> queues_;
  uint64_t sectors_ = 0;
  bool read_only_ = false;
  bool discards_ = false;
  std::vector<std::string> violations_;
};

}  // namespace tapring::pretend
