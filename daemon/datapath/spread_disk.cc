// SPDX-License-Identifier: MIT
#include "daemon/datapath/spread_disk.h"

#include <algorithm>
#include <cstddef>
#include <exception>
#include <stdexcept>
#include <utility>

namespace tapring {

// Of each operation, what came of it so far. Held by the work that is under way for it, and used
// on the control thread.

struct SpreadDisk::Connecting {
  std::size_t awaited;
  Connected then;
  std::string error;
};

struct SpreadDisk::Measuring {
  std::size_t awaited;
  Disk::Measured then;
  Result<uint64_t> sectors = UINT64_MAX;
};

struct SpreadDisk::Finishing {
  std::size_t awaited;
  Work done;
};

SpreadDisk::Images SpreadDisk::share(std::unique_ptr<OpenImage> image, std::size_t loops) {
  Images images;
  images.push_back(std::move(image));
  while (images.size() < loops) {
    auto another = images.front()->share();
    if (!another) break;
    images.push_back(std::move(another));
  }
  return images;
}

SpreadDisk::SpreadDisk(Executor& control, Workers& workers, Images& images,
                       const DiskOptions& options)
    : control_(control), workers_(workers) {
  DiskOptions without_queues = options;
  without_queues.rings.queues.clear();
  parts_.push_back({workers_.least_busy(), std::move(images.front()), std::move(without_queues),
                    std::make_shared<DiskStats>(), nullptr, nullptr});
  images.erase(images.begin());
  for (const QueueSetup& queue : options.rings.queues) {
    Part& part = choose_part(images);
    part.options.rings.queues.push_back(queue);
    workers_.add_queue(part.worker);
  }
}

SpreadDisk::SpreadDisk(Executor& control, Workers& workers, const SpreadDisk& other,
                       const DiskOptions& options)
    : control_(control), workers_(workers) {
  const Part& first = other.parts_.front();
  parts_.push_back({first.worker, nullptr, options, std::make_shared<DiskStats>(), nullptr,
                    first.disk});
  for (std::size_t i = 0; i < options.rings.queues.size(); ++i) workers_.add_queue(first.worker);
}

/// For the next queue.
SpreadDisk::Part& SpreadDisk::choose_part(Images& images) {
  const uint32_t worker = workers_.least_busy();
  const auto there = std::ranges::find(parts_, worker, &Part::worker);
  if (there != parts_.end()) return *there;
  Part& first = parts_.front();
  if (images.empty()) return first;
  DiskOptions options = first.options;
  options.rings.queues.clear();
  Part& part = parts_.emplace_back(worker, std::move(images.back()), std::move(options),
                                   std::make_shared<DiskStats>(), nullptr, nullptr);
  images.pop_back();
  return part;
}

void SpreadDisk::connect(Connected then) {
  const auto all = std::make_shared<Connecting>(parts_.size(), std::move(then));
  for (Part& part : parts_) connect_part(part, all);
}

void SpreadDisk::connect_part(Part& part, const std::shared_ptr<Connecting>& all) {
  Worker& worker = workers_[part.worker];
  // What belongs to the control thread is let go of there only, so no copy of it stays behind.
  worker.loop().post([self = shared_from_this(), all = all, &worker, &part, &control = control_,
                      image = std::move(part.image), sharer = std::move(part.sharer),
                      options = part.options, stats = part.stats]() mutable {
    std::shared_ptr<Disk> disk;
    std::string error;
    try {
      if (!sharer && !image) throw std::runtime_error("the disk that had the image has ended");
      disk = sharer ? std::make_shared<Disk>(worker, *sharer, options, std::move(stats))
                    : std::make_shared<Disk>(worker, std::move(image), options, std::move(stats));
    } catch (const std::exception& failure) {
      error = failure.what();
    }
    control.post([self = std::move(self), all = std::move(all), &part, disk = std::move(disk),
                  error]() mutable {
      part.disk = std::move(disk);
      if (all->error.empty()) all->error = error;
      if (--all->awaited == 0) self->all_connected(*all);
    });
  });
}

void SpreadDisk::all_connected(Connecting& all) {
  if (!all.error.empty()) {
    return end(Disk::Ending::abandon, [then = std::move(all.then), error = all.error]() mutable {
      then(error);
    });
  }
  all.then({});
}

void SpreadDisk::start() {
  on_each(&Disk::start);
}

void SpreadDisk::on_each(void (Disk::*call)()) {
  for (const Part& part : parts_) {
    loop_of(part).post([disk = part.disk, call] { ((*disk).*call)(); });
  }
}

void SpreadDisk::look_at_held() {
  on_each(&Disk::look_at_held);
}

void SpreadDisk::try_held() {
  on_each(&Disk::try_held);
}

void SpreadDisk::measure(Disk::Measured then) {
  const auto all = std::make_shared<Measuring>(parts_.size(), std::move(then));
  for (const Part& part : parts_) {
    loop_of(part).post([self = shared_from_this(), all = all, &control = control_,
                        disk = part.disk]() mutable {
      Disk& measured = *disk;
      measured.measure([self = std::move(self), all = std::move(all),
                        &control](const Result<uint64_t>& sectors) mutable {
        control.post([self = std::move(self), all = std::move(all), sectors] {
          // What each part can serve by now.
          if (all->sectors && (!sectors || *sectors < *all->sectors)) all->sectors = sectors;
          if (--all->awaited == 0) all->then(all->sectors);
        });
      });
    });
  }
}

void SpreadDisk::end(Disk::Ending ending, Work done) {
  const auto connected = std::ranges::count_if(
      parts_, [](const Part& part) -> bool { return part.disk != nullptr; });
  const auto all =
      std::make_shared<Finishing>(static_cast<std::size_t>(connected), std::move(done));
  if (connected == 0) return all_ended(*all);
  for (Part& part : parts_) {
    if (!part.disk) continue;
    loop_of(part).post([self = shared_from_this(), all = all, &control = control_, ending,
                        disk = std::move(part.disk)]() mutable {
      Disk& ended = *disk;
      ended.end(ending, [self = std::move(self), all = std::move(all), &control]() mutable {
        control.post([self = std::move(self), all = std::move(all)] {
          if (--all->awaited == 0) self->all_ended(*all);
        });
      });
    });
  }
}

void SpreadDisk::all_ended(Finishing& all) {
  for (const Part& part : parts_) {
    workers_.remove_queues(part.worker, part.options.rings.queues.size());
  }
  all.done();
}

DiskCounters SpreadDisk::counters() const noexcept {
  DiskCounters sum;
  for (const Part& part : parts_) part.stats->add_to(sum);
  return sum;
}

bool SpreadDisk::has_broken_ring() const noexcept {
  return std::ranges::any_of(parts_,
                             [](const Part& part) -> bool { return part.stats->ring_broken; });
}

bool SpreadDisk::left_in_order() const noexcept {
  return std::ranges::all_of(parts_, [](const Part& part) -> bool {
    return !part.stats->left_unanswered && !part.options.faults->data_lost();
  });
}

std::vector<uint32_t> SpreadDisk::workers() const {
  std::vector<uint32_t> numbers;
  for (const Part& part : parts_) numbers.push_back(part.worker);
  return numbers;
}

}  // namespace tapring
