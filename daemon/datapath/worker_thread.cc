// SPDX-License-Identifier: MIT
#include "daemon/datapath/worker_thread.h"

#include <fmt/format.h>
#include <pthread.h>
#include <spdlog/spdlog.h>

#include <cerrno>
#include <exception>
#include <system_error>
#include <utility>

#include "ring/uring_loop.h"
#include "ring/xen_event_channel.h"
#include "ring/xen_grants.h"

namespace tapring {
namespace {

/// A failure, as on a host with fewer CPUs than configured, only makes disks a little slower.
void keep_to(const CpuRange& cpus, uint32_t number) {
  try {
    run_on(cpus);
  } catch (const std::system_error& error) {
    spdlog::error("worker {} runs on any CPU: {}", number, error.what());
  }
}

}  // namespace

WorkerThread::WorkerThread(const WorkerSettings& settings, std::unique_ptr<Uring> uring,
                           Executor& helper) {
  std::promise<Worker*> ready;
  std::future<Worker*> worker = ready.get_future();
  thread_ = std::thread(
      [this, settings, uring = std::move(uring), &helper, ready = std::move(ready)]() mutable {
        run(settings, std::move(uring), helper, std::move(ready));
      });
  try {
    worker_ = worker.get();
  } catch (...) {
    thread_.join();
    throw;
  }
}

WorkerThread::~WorkerThread() {
  worker_->loop().stop();
  thread_.join();
}

void WorkerThread::run(const WorkerSettings& settings, std::unique_ptr<Uring> uring,
                       Executor& helper, std::promise<Worker*> ready) {
  ::pthread_setname_np(::pthread_self(), fmt::format("worker-{}", settings.number).c_str());
  bool told = false;
  try {
    if (settings.cpus) keep_to(*settings.cpus, settings.number);
    UringLoop loop(std::move(uring));
    loop.set_busy_poll(settings.busy_poll);
    loop.use_helper(helper);
    XenGrants grants;
    XenEventChannel events(loop);
    loop.memory().on_refusal([number = settings.number](int error) {
      spdlog::warn("worker {}: bounce memory cannot be registered with io_uring: {}; each request "
                   "costs a little more{}",
                   number, std::system_category().message(error),
                   error == ENOMEM ? " (raise LimitMEMLOCK= of the service)" : "");
    });
    Worker worker(loop, grants, events, settings.arena_bytes, settings.max_mappings);
    ready.set_value(&worker);
    told = true;
    loop.run();
  } catch (...) {
    if (told) throw;  // the loop cannot go on: the process ends, and is started anew
    ready.set_exception(std::current_exception());
  }
}

}  // namespace tapring
