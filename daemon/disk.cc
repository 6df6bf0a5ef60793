// SPDX-License-Identifier: MIT
#include "daemon/disk.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <system_error>
#include <utility>

namespace tapring {
namespace {

void refuse_unanswered(const Queue& queue) {
  const uint32_t unanswered = queue.unanswered();
  if (unanswered == 0) return;
  throw std::system_error(
      std::make_error_code(std::errc::state_not_recoverable),
      fmt::format("whoever served this disk before died with {} requests unanswered, and what "
                  "became of them is not known: detach the disk with --force and attach it again",
                  unanswered));
}

}  // namespace

Disk::Disk(Worker& worker, std::unique_ptr<OpenImage> image, const DiskOptions& options,
           std::shared_ptr<DiskStats> stats)
    : stats_(std::move(stats)), gate_(worker.loop()), buffers_(worker.buffers()),
      volume_(image->serve_on(worker.loop()), options.geometry, options.flush_failed),
      context_{worker,
               volume_,
               buffers_,
               gate_,
               *stats_,
               options.domain,
               options.name,
               options.rings.persistent_grants ? options.max_persistent_grants : 0,
               options.log_limit} {
  for (const QueueSetup& setup : options.rings.queues) {
    queues_.push_back(std::make_unique<Queue>(context_, setup, options.rings.abi));
    if (options.history == RingHistory::unknown) refuse_unanswered(*queues_.back());
  }
}

void Disk::start() {
  for (const auto& queue : queues_) queue->start();
}

void Disk::measure(Measured then) {
  measure_volume(shared_from_this(), std::move(then));
}

Detached Disk::measure_volume(std::shared_ptr<Disk> disk, Measured then) {
  const Gate::Pass pass(disk->gate_);
  then(co_await disk->volume_.grow());
}

void Disk::end(Ending ending, Work done) { end_all(shared_from_this(), ending, std::move(done)); }

Detached Disk::end_all(std::shared_ptr<Disk> disk, Ending ending, Work done) {
  for (const auto& queue : disk->queues_) {
    if (ending == Ending::drain) {
      queue->stop_taking();
    } else {
      queue->detach();
    }
  }
  co_await disk->gate_.emptied();
  for (const auto& queue : disk->queues_) queue->publish_now();
  disk->queues_.clear();
  const Error error = co_await disk->volume_.close();
  if (error) spdlog::warn("{}: closing the image: {}", disk->context_.disk, error.message());
  disk.reset();
  done();
}

}  // namespace tapring
