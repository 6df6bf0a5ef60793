// SPDX-License-Identifier: MIT
// A guest's block driver for one disk, as Linux's behaves: negotiation, I/O that is checked against
// a model of the disk, closing and coming back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/disk_model.h"
#include "tests/sim/executor.h"
#include "tests/sim/front_queue.h"
#include "tests/sim/machine.h"
#include "tests/sim/toolstack.h"
#include "tests/sim/world.h"
#include "tests/sim/xenstore.h"

namespace tapring::sim {

struct FrontendOptions {
  std::string protocol = "x86_64-abi";  ///< written as it is; empty: no such key
  Abi abi = Abi::x86_64;                ///< what the ring really has
  unsigned ring_order = 0;              ///< less if the backend wants less; also the next three
  unsigned queues = 1;
  std::size_t indirect_segments = 256;
  bool persistent_grants = false;       ///< if the backend wants them
  bool closes_when_asked = true;        ///< at the backend's 5; else only at close(), as if mounted
  bool numbers_single_page = false;     ///< `ring-ref0` where most write `ring-ref`
  bool one_queue_in_directory = false;  ///< `queue-0/ring-ref` likewise
  uint32_t discard_sectors = 1;  ///< whole ones read as zeros when they were discarded
  bool impatient = false;  ///< makes its rings before the backend's 2, as after a resume
};

class SimFrontend {
 public:
  using Done = std::function<void(int16_t status)>;

  /// Begins at once, or when the toolstack has made the disk. `model` is what the disk holds.
  SimFrontend(SimWorld& world, SimMachine& machine, SimStore& store, DiskName name,
              DiskModel& model, FrontendOptions options = {});
  SimFrontend(const SimFrontend&) = delete;
  SimFrontend& operator=(const SimFrontend&) = delete;

  DiskName name() const noexcept { return name_; }
  const FrontendOptions& options() const noexcept { return options_; }
  const std::string& directory() const noexcept { return directory_; }

  /// The backend's directory; empty if there is none.
  const std::string& backend() const noexcept { return backend_; }

  /// A guest's next kernel, or its kernel after the bootloader: its next connection is like this.
  void become(FrontendOptions options) { options_ = std::move(options); }

  bool connected() const noexcept { return state_ == kConnected; }
  bool closed() const noexcept { return state_ == kClosed; }

  /// All of a past connection was given back.
  bool released() const noexcept { return queues_.empty(); }

  uint64_t sectors() const noexcept { return sectors_; }
  bool read_only() const noexcept { return read_only_; }
  bool discards() const noexcept { return discards_; }
  std::size_t most_sectors() const { return queues_.front()->most_sectors(); }
  std::size_t queues() const noexcept { return queues_.size(); }
  FrontQueue& queue(std::size_t index) { return *queues_.at(index); }

  void read(uint64_t sector, uint32_t sectors, Done done = {});
  void write(uint64_t sector, uint32_t sectors, Done done = {});
  void flush(Done done = {});
  void discard(uint64_t sector, uint32_t sectors, Done done = {});

  /// Nothing that was asked for later may be seen done while this is not.
  void barrier(uint64_t sector, uint32_t sectors, Done done = {});
  std::size_t in_flight() const noexcept;

  /// The driver goes (or the disk is unmounted): 5 now, 6 when all was answered.
  void close();

  /// The driver comes again after close(), once the backend has closed too.
  void reload();

  /// Another kernel runs, which knows nothing of the old one's rings: it closes what xenstore says
  /// is open, and connects anew.
  void kexec(FrontendOptions next);

  /// The domain is no more: nothing is done or expected from now on.
  void die();

  /// A ring that it ever made is mapped, or its port bound.
  bool held() const noexcept;

  /// The guest does not run: what comes waits until resume().
  void pause();
  void resume();

  /// Everything the backend did wrong.
  std::vector<std::string> violations() const;

 private:
  enum State : unsigned {
    kUnknown = 0,
    kInitialising = 1,
    kInitWait = 2,
    kInitialised = 3,
    kConnected = 4,
    kClosing = 5,
    kClosed = 6,
  };

  void advance();
  bool find_backend();
  void negotiate();
  void connect();
  void finish_closing();
  void release();
  void abandon_rings();
  bool may_negotiate(uint64_t backend) const noexcept;
  XenstoreKeys ring_keys();
  void set_state(State state, XenstoreKeys keys = {});
  void write_all(const XenstoreKeys& keys);
  void change(uint8_t operation, uint64_t sector, uint32_t sectors, Done done);
  void submit(uint8_t operation, uint64_t sector, uint32_t sectors, std::vector<std::byte> data,
              Done done);
  FrontQueue& any_queue();

  SimWorld& world_;
  SimMachine& machine_;
  DiskName name_;
  DiskModel& model_;
  FrontendOptions options_;
  SimExecutor thread_;
  SimXenstore xenstore_;
  std::string directory_;
  std::string backend_;
  DomainId backend_domain_ = 0;
  State state_ = kUnknown;
  bool reloading_ = false;
  bool came_again_ = false;  ///< and the backend's state is still that of last time
  std::vector<std::unique_ptr<FrontQueue>> queues_;
  std::vector<std::unique_ptr<FrontQueue>> abandoned_;
  uint64_t sectors_ = 0;
  bool read_only_ = false;
  bool discards_ = false;
  std::vector<std::string> violations_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace tapring::sim
