// SPDX-License-Identifier: MIT
// A connected disk as the control thread sees it: in shards, each a Disk on another worker, with
// some of the queues and with an image that was opened for that worker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/datapath/disk.h"
#include "daemon/datapath/workers.h"
#include "ring/executor.h"

namespace tapring {

/// Used on the control thread, where all callbacks run. Its queues count as its workers' until it
/// has ended, or could not be connected.
class MultiQueueDisk : public std::enable_shared_from_this<MultiQueueDisk> {
 public:
  /// The same image, opened once for each of one or more loops.
  using Images = std::vector<std::unique_ptr<OpenImage>>;

  /// Opens the image for so many loops, or for fewer if it cannot be served on several. Blocks.
  static Images share(std::unique_ptr<OpenImage> image, std::size_t loops);

  /// Gives each queue to the worker that has the fewest; when `images` are used up, the rest to the
  /// first worker of the disk. Takes the images that it needs: the caller closes the others.
  /// `control` and `workers` outlive this.
  MultiQueueDisk(Executor& control, Workers& workers, Images& images, const DiskOptions& options);

  /// Serves the image of `other`, with all queues on the first worker of that one. It cannot be
  /// connected if `other` has ended by then. `options.faults` has the lost_writes() of `other`.
  MultiQueueDisk(Executor& control, Workers& workers, const MultiQueueDisk& other,
                 const DiskOptions& options);
  MultiQueueDisk(const MultiQueueDisk&) = delete;
  MultiQueueDisk& operator=(const MultiQueueDisk&) = delete;

  /// Maps and binds all rings. `then` gets the first error, or an empty string; after an error
  /// nothing stays mapped, bound or open.
  using Connected = std::move_only_function<void(const std::string& error)>;
  void connect(Connected then);

  // The following are for a disk that is connected.

  /// Begins to take requests.
  void start();

  /// Lets the guest use what others have made the image larger by. `then` gets the image's present
  /// size in sectors. One call at a time.
  void measure(Disk::Measured then);

  /// See Disk.
  void check_held();
  void retry_held();

  /// Ends everything, releases the image, then runs `done`. The last call.
  void end(Disk::Ending ending, Work done);

  // The following are for any time, also after the end.

  /// See LostWrites.
  const std::shared_ptr<LostWrites>& lost_writes() const noexcept {
    return shards_.front().options.faults->lost_writes();
  }

  DiskCounters counters() const noexcept;
  bool has_broken_ring() const noexcept;

  /// Whether a successor needs no journal: every request that was taken was answered, and no write
  /// was lost. For a disk that has ended.
  bool left_in_order() const noexcept;

  /// The numbers of the workers that have its queues, in the order of the queues.
  std::vector<uint32_t> workers() const;

 private:
  struct Shard {
    uint32_t worker;
    std::unique_ptr<OpenImage> image;  ///< until it is connected
    DiskOptions options;
    std::shared_ptr<DiskStats> stats;
    // To be used and released on the worker's thread.
    std::shared_ptr<Disk> disk;
    std::shared_ptr<Disk> sharer;  ///< until it is connected, if that one's image is served instead
  };
  struct Connecting;
  struct Measuring;
  struct Finishing;

  Shard& choose_shard(Images& images);
  Loop& loop_of(const Shard& shard) { return workers_[shard.worker].loop(); }
  void on_each(void (Disk::*call)());
  void connect_shard(Shard& shard, const std::shared_ptr<Connecting>& all);
  void all_connected(Connecting& all);
  void all_ended(Finishing& all);

  Executor& control_;
  Workers& workers_;
  std::vector<Shard> shards_;
};

}  // namespace tapring
