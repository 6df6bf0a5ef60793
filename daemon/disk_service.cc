// SPDX-License-Identifier: MIT
#include "daemon/disk_service.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/host/mount.h"
#include "daemon/host/process_limits.h"
#include "daemon/vbd/sandbox.h"
#include "ring/uring_loop.h"

namespace tapring {
namespace {

using namespace std::chrono_literals;

// How long the end may be held up, as by storage that hangs.
constexpr auto kDrainLimit = 20s;

// How soon a guest sees that its image has grown, and how long a driver domain keeps memory of a
// guest that is gone. To look costs a system call a disk.
constexpr auto kCheckInterval = 5s;

/// What the configuration says, or as many as there are descriptors for. Only a process that serves
/// the whole host warns of that: one guest seldom has so many disks.
uint32_t max_disks_of(const Options& options, bool shares_host) {
  const uint64_t descriptors = raise_descriptor_limit();
  const uint32_t most = disk_limit(descriptors, options.worker_count());
  if (most >= options.max_disks) return options.max_disks;
  if (!shares_host) {
    spdlog::warn(
        "{} disks at most are served, not {} (max_disks): {} file descriptors are allowed "
        "(raise LimitNOFILE= of the service)",
        most, options.max_disks, descriptors);
  }
  return most;
}

std::vector<std::string> texts_of(const std::vector<std::filesystem::path>& paths) {
  std::vector<std::string> texts;
  for (const std::filesystem::path& path : paths) texts.push_back(path.string());
  return texts;
}

ServerSettings settings_of(const Options& options, ServerSettings settings, bool shares_host,
                           const std::function<DiskOpener(DiskOpener)>& explain) {
  settings.max_disks = max_disks_of(options, shares_host);
  settings.kinds = options.kinds;
  settings.offer = {options.queue_limit(), options.max_ring_page_order,
                    options.max_indirect_segments, options.max_persistent_grants};
  settings.errors = options.error_policy();
  OpenPolicy policy;
  policy.files.directories = texts_of(options.image_directories);
  policy.files.named = options.named_files;
  policy.files.listed = texts_of(options.named_file_directories);
  policy.map_cache_bytes = uint64_t{options.map_cache_kibibytes} << 10;
  settings.open_disk =
      explain(explaining(Sandbox(own_mounts()), [policy](const OpenRequest& request) {
        return open_disk(request, policy);
      }));
  settings.lock_wait = std::chrono::seconds(options.lock_wait_seconds);
  settings.plain_lines = options.plain_lines;
  return settings;
}

}  // namespace

DiskService::Urings DiskService::make_urings(const Options& options) {
  Urings urings;
  for (uint32_t count = options.worker_count(); count > 0; --count) {
    urings.push_back(std::make_unique<Uring>(UringLoop::kEntries));
  }
  return urings;
}

DiskService::DiskService(const Surroundings& around, const Options& options,
                         ServerSettings settings, Urings urings,
                         std::function<DiskOpener(DiskOpener)> explain)
    : context_(around.context),
      urings_(std::move(urings)),
      explain_(std::move(explain)),
      shares_host_(settings.neighbours != nullptr),
      server_({around.store, around.control, background_, around.control, blkback_, around.journals,
               around.witnesses,
               Workers(options.worker_count(),
                       [this, options](uint32_t number) -> Worker& {
                         return start_worker(options, number);
                       })},
              settings_of(options, std::move(settings), shares_host_, explain_)) {
  // One at least, so that what no worker can do fails the start. Where there are many processes,
  // the others as they are needed.
  const uint32_t at_once = shares_host_ ? 1 : options.worker_count();
  for (uint32_t number = 0; number < at_once; ++number) start_worker(options, number);
}

Worker& DiskService::start_worker(const Options& options, uint32_t number) {
  std::unique_ptr<WorkerThread>& thread = threads_[number];
  if (thread) return thread->worker();
  WorkerSettings settings{.number = number,
                          .cpus = {},
                          .arena_bytes = std::size_t{options.arena_mebibytes} << 20,
                          .max_mappings = kept_page_limit(mapping_limit(), options.worker_count()),
                          .busy_poll = std::chrono::microseconds(options.poll_microseconds)};
  const auto& cpus = options.worker_cpus;
  if (!cpus.empty()) settings.cpus = cpus[number % cpus.size()];
  thread = std::make_unique<WorkerThread>(settings, std::move(urings_.at(number)), helpers_);
  Worker& worker = thread->worker();
  if (dog_ != nullptr) dog_->watch(fmt::format("worker-{}", number), worker.loop());
  return worker;
}

void DiskService::configure(const Options& options) {
  server_.configure(settings_of(options, {}, shares_host_, explain_));
}

void DiskService::watch(Watchdog& dog) {
  dog_ = &dog;
  for (const auto& [number, thread] : threads_) {
    dog.watch(fmt::format("worker-{}", number), thread->worker().loop());
  }
}

void DiskService::start(Work serving) {
  checks_ = std::make_unique<Repeat>(context_, kCheckInterval, [this] {
    server_.check_sizes();
    server_.check_guests();
  });
  server_.start(std::move(serving));
}

void DiskService::stop() {
  if (draining_) return;
  spdlog::info("stopping: answering what is in flight");
  const auto left = std::ranges::count_if(server_.report(), is_served);
  if (left > 0) spdlog::info("{} disk(s) and their guests wait for the next tapringd", left);
  server_.shut_down();
  draining_ = std::make_unique<Repeat>(
      context_, 10ms, [this, deadline = std::chrono::steady_clock::now() + kDrainLimit] {
        const bool late = std::chrono::steady_clock::now() > deadline;
        if (late) spdlog::error("stopping with requests unanswered: their storage hangs");
        if (late || server_.idle()) context_.stop();
      });
}

}  // namespace tapring
