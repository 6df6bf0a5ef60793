// SPDX-License-Identifier: MIT
#include "daemon/datapath/multi_queue_disk.h"

#include <algorithm>
#include <cstddef>
#include <exception>
#include <stdexcept>
#include <utility>

namespace tapring {

// What is known of an operation while it is under way in the shards. Owned by the work posted for
// it, and used on the control thread.

struct MultiQueueDisk::Connecting {
  std::size_t awaited;
  Connected then;
  std::string error;
};

struct MultiQueueDisk::Measuring {
  std::size_t awaited;
  Disk::Measured then;
  Result<uint64_t> sectors = UINT64_MAX;
};

struct MultiQueueDisk::Finishing {
  std::size_t awaited;
  Work done;
};

MultiQueueDisk::Images MultiQueueDisk::share(std::unique_ptr<OpenImage> image, std::size_t loops) {
  Images images;
  images.push_back(std::move(image));
  while (images.size() < loops) {
    auto another = images.front()->share();
    if (!another) break;
    images.push_back(std::move(another));
  }
  return images;
}

MultiQueueDisk::MultiQueueDisk(Executor& control, Workers& workers, Images& images,
                               const DiskOptions& options)
    : control_(control), workers_(workers) {
  DiskOptions without_queues = options;
  without_queues.rings.queues.clear();
  shards_.push_back({workers_.least_busy(), std::move(images.front()), std::move(without_queues),
                     std::make_shared<DiskStats>(), nullptr, nullptr});
  images.erase(images.begin());
  for (const QueueSetup& queue : options.rings.queues) {
    Shard& shard = choose_shard(images);
    shard.options.rings.queues.push_back(queue);
    workers_.add_queue(shard.worker);
  }
}

MultiQueueDisk::MultiQueueDisk(Executor& control, Workers& workers, const MultiQueueDisk& other,
                               const DiskOptions& options)
    : control_(control), workers_(workers) {
  const Shard& first = other.shards_.front();
  shards_.push_back(
      {first.worker, nullptr, options, std::make_shared<DiskStats>(), nullptr, first.disk});
  for (std::size_t i = 0; i < options.rings.queues.size(); ++i) workers_.add_queue(first.worker);
}

/// Where the next queue goes.
MultiQueueDisk::Shard& MultiQueueDisk::choose_shard(Images& images) {
  const uint32_t worker = workers_.least_busy();
  const auto there = std::ranges::find(shards_, worker, &Shard::worker);
  if (there != shards_.end()) return *there;
  Shard& first = shards_.front();
  if (images.empty()) return first;
  DiskOptions options = first.options;
  options.rings.queues.clear();
  Shard& shard = shards_.emplace_back(worker, std::move(images.back()), std::move(options),
                                      std::make_shared<DiskStats>(), nullptr, nullptr);
  images.pop_back();
  return shard;
}

void MultiQueueDisk::connect(Connected then) {
  const auto all = std::make_shared<Connecting>(shards_.size(), std::move(then));
  for (Shard& shard : shards_) connect_shard(shard, all);
}

void MultiQueueDisk::connect_shard(Shard& shard, const std::shared_ptr<Connecting>& all) try {
  Worker& worker = workers_[shard.worker];
  // Moved from thread to thread, so that what the control thread owns is destroyed there.
  worker.loop().post([self = shared_from_this(), all = all, &worker, &shard, &control = control_,
                      image = std::move(shard.image), sharer = std::move(shard.sharer),
                      options = shard.options, stats = shard.stats]() mutable {
    std::shared_ptr<Disk> disk;
    std::string error;
    try {
      if (!sharer && !image) throw std::runtime_error("the disk that had the image has ended");
      disk = sharer ? std::make_shared<Disk>(worker, *sharer, options, std::move(stats))
                    : std::make_shared<Disk>(worker, std::move(image), options, std::move(stats));
    } catch (const std::exception& failure) {
      error = failure.what();
    }
    control.post([self = std::move(self), all = std::move(all), &shard, disk = std::move(disk),
                  error]() mutable {
      shard.disk = std::move(disk);
      if (all->error.empty()) all->error = error;
      if (--all->awaited == 0) self->all_connected(*all);
    });
  });
} catch (const std::exception& failure) {
  // Its worker's thread could not be started.
  control_.post([self = shared_from_this(), all = all, error = std::string(failure.what())] {
    if (all->error.empty()) all->error = error;
    if (--all->awaited == 0) self->all_connected(*all);
  });
}

void MultiQueueDisk::all_connected(Connecting& all) {
  if (!all.error.empty()) {
    return end(Disk::Ending::abandon, [then = std::move(all.then), error = all.error]() mutable {
      then(error);
    });
  }
  all.then({});
}

void MultiQueueDisk::start() {
  on_each(&Disk::start);
}

void MultiQueueDisk::on_each(void (Disk::*call)()) {
  for (const Shard& shard : shards_) {
    loop_of(shard).post([disk = shard.disk, call] { ((*disk).*call)(); });
  }
}

void MultiQueueDisk::check_held() {
  on_each(&Disk::check_held);
}

void MultiQueueDisk::retry_held() {
  on_each(&Disk::retry_held);
}

void MultiQueueDisk::measure(Disk::Measured then) {
  const auto all = std::make_shared<Measuring>(shards_.size(), std::move(then));
  for (const Shard& shard : shards_) {
    loop_of(shard).post(
        [self = shared_from_this(), all = all, &control = control_, disk = shard.disk]() mutable {
          Disk& measured = *disk;
          measured.measure([self = std::move(self), all = std::move(all),
                            &control](const Result<uint64_t>& sectors) mutable {
            control.post([self = std::move(self), all = std::move(all), sectors] {
              // The smallest: what every shard can serve by now.
              if (all->sectors && (!sectors || *sectors < *all->sectors)) all->sectors = sectors;
              if (--all->awaited == 0) all->then(all->sectors);
            });
          });
        });
  }
}

void MultiQueueDisk::end(Disk::Ending ending, Work done) {
  const auto connected = std::ranges::count_if(
      shards_, [](const Shard& shard) -> bool { return shard.disk != nullptr; });
  const auto all =
      std::make_shared<Finishing>(static_cast<std::size_t>(connected), std::move(done));
  if (connected == 0) return all_ended(*all);
  for (Shard& shard : shards_) {
    if (!shard.disk) continue;
    loop_of(shard).post([self = shared_from_this(), all = all, &control = control_, ending,
                         disk = std::move(shard.disk)]() mutable {
      Disk& ended = *disk;
      ended.end(ending, [self = std::move(self), all = std::move(all), &control]() mutable {
        control.post([self = std::move(self), all = std::move(all)] {
          if (--all->awaited == 0) self->all_ended(*all);
        });
      });
    });
  }
}

void MultiQueueDisk::all_ended(Finishing& all) {
  for (const Shard& shard : shards_) {
    workers_.remove_queues(shard.worker, shard.options.rings.queues.size());
  }
  all.done();
}

DiskCounters MultiQueueDisk::counters() const noexcept {
  DiskCounters sum;
  for (const Shard& shard : shards_) shard.stats->add_to(sum);
  return sum;
}

bool MultiQueueDisk::has_broken_ring() const noexcept {
  return std::ranges::any_of(shards_,
                             [](const Shard& shard) -> bool { return shard.stats->ring_broken; });
}

bool MultiQueueDisk::left_in_order() const noexcept {
  return std::ranges::all_of(shards_, [](const Shard& shard) -> bool {
    return !shard.stats->left_unanswered && !shard.options.faults->data_lost();
  });
}

std::vector<uint32_t> MultiQueueDisk::workers() const {
  std::vector<uint32_t> numbers;
  for (const Shard& shard : shards_) numbers.push_back(shard.worker);
  return numbers;
}

}  // namespace tapring
