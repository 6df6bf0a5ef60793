// SPDX-License-Identifier: MIT
#include "daemon/datapath/disk.h"

#include <exception>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace tapring {
namespace {

SharedMemory take_journal(const DiskOptions& options, const QueueSetup& queue) {
  const auto kept = options.journals.find(queue.number);
  if (kept != options.journals.end()) return std::move(*kept->second);
  return SharedMemory(options.rings.journal_bytes(queue));
}

std::shared_ptr<SharedImage> image_of(const Volume& volume) {
  if (!volume.image()) throw std::runtime_error("the disk that had the image has let go of it");
  return volume.image();
}

}  // namespace

Disk::Disk(Worker& worker, std::unique_ptr<OpenImage> image, const DiskOptions& options,
           std::shared_ptr<DiskStats> stats)
    : Disk(worker, std::make_shared<SharedImage>(image->serve_on(worker.loop())), options,
           std::move(stats)) {}

Disk::Disk(Worker& worker, const Disk& other, const DiskOptions& options,
           std::shared_ptr<DiskStats> stats)
    : Disk(worker, image_of(other.volume_), options, std::move(stats)) {}

Disk::Disk(Worker& worker, std::shared_ptr<SharedImage> image, const DiskOptions& options,
           std::shared_ptr<DiskStats> stats)
    : stats_(std::move(stats)),
      requests_(worker.loop()),
      buffers_(worker.buffers()),
      load_(worker.stalls(), buffers_),
      volume_(worker.loop(), std::move(image), options.geometry, options.faults),
      held_(worker.loop(), options.pause),
      context_{worker,
               volume_,
               buffers_,
               load_,
               requests_,
               held_,
               *stats_,
               *options.faults,
               options.domain,
               options.name,
               options.rings.persistent_grants ? options.max_persistent_grants : 0,
               options.max_indirect_segments,
               options.log_limit,
               options.journal_observer} {
  for (const QueueSetup& setup : options.rings.queues) {
    queues_.push_back(std::make_unique<Queue>(context_, setup, options.rings.abi, options.origin,
                                              take_journal(options, setup)));
  }
}

void Disk::start() {
  for (const auto& queue : queues_) queue->start();
}

void Disk::measure(Measured then) {
  if (measure_volume(shared_from_this(), then).begun) return;
  then(std::unexpected(std::make_error_code(std::errc::not_enough_memory)));
}

/// Moves from `then` before it suspends.
Detached Disk::measure_volume(std::shared_ptr<Disk> disk, Measured& then) {
  const TaskGroup::Member member(disk->requests_);
  Measured taken = std::move(then);
  taken(co_await disk->volume_.grow());
}

/// Without memory for that the process ends: its successor takes the disk over in good order.
void Disk::end(Ending ending, Work done) {
  if (!end_all(shared_from_this(), ending, std::move(done)).begun) std::terminate();
}

Detached Disk::end_all(std::shared_ptr<Disk> disk, Ending ending, Work done) {
  for (const auto& queue : disk->queues_) {
    if (ending == Ending::drain) {
      queue->stop_taking();
    } else {
      queue->detach();
    }
  }
  disk->held_.end();
  co_await disk->requests_.drained();
  for (const auto& queue : disk->queues_) {
    queue->push_now();
    if (queue->in_flight() > 0) disk->stats_->left_unanswered = true;
  }
  const Error error = co_await disk->volume_.close();
  if (error == std::errc::state_not_recoverable) {
    disk->context_.faults.mark_data_lost("closing the image failed", error);
  } else if (error && disk->context_.log_limit != nullptr) {
    disk->context_.log_limit->log(spdlog::level::warn, disk->context_.disk,
                                  "closing the image: {}", error.message());
  }
  disk->queues_.clear();
  disk.reset();
  done();
}

}  // namespace tapring
