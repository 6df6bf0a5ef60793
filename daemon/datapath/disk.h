// SPDX-License-Identifier: MIT
// A connected disk, or one shard of it on one worker: the volume, and the queues that serve it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/datapath/disk_faults.h"
#include "daemon/datapath/disk_pause.h"
#include "daemon/datapath/disk_stats.h"
#include "daemon/datapath/held_requests.h"
#include "daemon/datapath/negotiation.h"
#include "daemon/datapath/queue.h"
#include "daemon/datapath/storage_load.h"
#include "daemon/datapath/volume.h"
#include "daemon/datapath/worker.h"
#include "daemon/host/log.h"
#include "formats/image.h"
#include "ring/shared_memory.h"
#include "ring/waiting.h"

namespace tapring {

struct DiskOptions {
  std::string name;  ///< for log lines
  DomainId domain = 0;
  Geometry geometry;  ///< what the guest is offered of the image
  RingSetup rings;  ///< of this shard
  RingOrigin origin;
  /// By their queues' numbers, for one disk to take; those that are missing have no successor.
  std::map<uint32_t, std::shared_ptr<SharedMemory>> journals = {};
  JournalObserver* journal_observer = nullptr;  ///< for tests
  uint32_t max_persistent_grants = 0;  ///< of each ring, if its guest agreed to them
  uint32_t max_indirect_segments = kIndirectSegments;  ///< as the guest was told
  LogLimit* log_limit = nullptr;  ///< for lines that a guest causes; outlives the disk; may be null
  /// One for all shards of a disk. A policy that holds requests needs calls of check_held().
  std::shared_ptr<DiskPause> pause = std::make_shared<DiskPause>(kReportErrors);
  /// One for all shards of a disk.
  std::shared_ptr<DiskFaults> faults = std::make_shared<DiskFaults>();
};

/// Made, used and destroyed on the worker's thread.
class Disk : public std::enable_shared_from_this<Disk> {
 public:
  /// Maps and binds. Throws std::system_error; then nothing stays mapped or bound.
  Disk(Worker& worker, std::unique_ptr<OpenImage> image, const DiskOptions& options,
       std::shared_ptr<DiskStats> stats);
  /// Serves the image of another disk, on the worker of that one.
  Disk(Worker& worker, const Disk& other, const DiskOptions& options,
       std::shared_ptr<DiskStats> stats);
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;

  /// Takes requests from now on.
  void start();

  enum class Ending {
    abandon,  ///< the guest is gone: rings are released at once, requests end unanswered
    drain,    ///< every request that was taken is answered first, except those that are held: the
              ///< guest goes on with our successor
  };

  /// Lets the guest use what others have made the image larger by. `then` runs on this thread with
  /// the image's present size in sectors.
  using Measured = std::move_only_function<void(const Result<uint64_t>&)>;
  void measure(Measured then);

  /// See HeldRequests::check().
  void check_held() { held_.check(); }

  /// Retries all held requests now.
  void retry_held() { held_.retry_all(); }

  /// Ends everything, releases the image, then runs `done` on this thread. The last call.
  void end(Ending ending, Work done);

 private:
  Disk(Worker& worker, std::shared_ptr<SharedImage> image, const DiskOptions& options,
       std::shared_ptr<DiskStats> stats);
  static Detached measure_volume(std::shared_ptr<Disk> disk, Measured& then);
  static Detached end_all(std::shared_ptr<Disk> disk, Ending ending, Work done);

  std::shared_ptr<DiskStats> stats_;
  TaskGroup requests_;
  BufferQuota buffers_;
  StorageLoad load_;
  Volume volume_;
  HeldRequests held_;
  QueueContext context_;
  std::vector<std::unique_ptr<Queue>> queues_;
};

}  // namespace tapring
