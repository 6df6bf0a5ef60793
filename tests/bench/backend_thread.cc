// SPDX-License-Identifier: MIT
#include "tests/bench/backend_thread.h"

#include <pthread.h>

#include <stdexcept>
#include <utility>

#include "daemon/config/options.h"
#include "daemon/datapath/worker.h"

namespace tapring::bench {
namespace {

/// Connects the disks, and when destroyed disconnects them.
class Disks {
 public:
  Disks(UringLoop& loop, Worker& worker, std::vector<BackendDisk> disks) : loop_(loop) {
    for (BackendDisk& disk : disks) {
      const Geometry geometry = disk.image->geometry();
      const DiskOptions options{"bench", 1, geometry, disk.rings, {}};
      disks_.push_back(std::make_shared<Disk>(worker, std::move(disk.image), options,
                                              std::make_shared<DiskStats>()));
      disks_.back()->start();
    }
  }
  Disks(const Disks&) = delete;
  Disks& operator=(const Disks&) = delete;
  ~Disks() {
    std::size_t left = disks_.size();
    for (auto& disk : disks_) disk->end(Disk::Ending::abandon, [&left] { --left; });
    while (left > 0) loop_.turn(true);
  }

 private:
  UringLoop& loop_;
  std::vector<std::shared_ptr<Disk>> disks_;
};

}  // namespace

BackendThread::BackendThread(GuestMemory& memory, Doorbell& guest, std::vector<BackendDisk> disks,
                             PollWindow::Duration busy_poll)
    : memory_(memory), guest_(guest), busy_poll_(busy_poll) {
  std::promise<void> ready;
  std::future<void> is_ready = ready.get_future();
  thread_ = std::thread([this, disks = std::move(disks), ready = std::move(ready)]() mutable {
    run(std::move(disks), std::move(ready));
  });
  try {
    is_ready.get();
  } catch (...) {
    thread_.join();
    throw;
  }
}

BackendThread::~BackendThread() {
  ending_ = true;
  loop_->post([] {});
  thread_.join();
}

uint64_t BackendThread::system_calls() const noexcept {
  return turns_.load(std::memory_order_relaxed) + events_->system_calls();
}

void BackendThread::run(std::vector<BackendDisk> disks, std::promise<void> ready) {
  ::pthread_setname_np(::pthread_self(), "backend");
  bool told = false;
  try {
    UringLoop loop;
    loop.set_busy_poll(busy_poll_);
    ThreadEvents events(loop, guest_);
    Worker worker(loop, memory_, events, std::size_t{Options{}.arena_mebibytes} << 20);
    if (!loop.memory().holds_any()) {
      throw std::runtime_error("bounce memory cannot be registered: raise ulimit -l");
    }
    const Disks connected(loop, worker, std::move(disks));
    events_ = &events;
    loop_ = &loop;
    ready.set_value();
    told = true;
    while (!ending_) {
      loop.turn(true);
      turns_.fetch_add(1, std::memory_order_relaxed);
    }
  } catch (...) {
    if (told) throw;
    ready.set_exception(std::current_exception());
  }
}

}  // namespace tapring::bench
