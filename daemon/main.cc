// SPDX-License-Identifier: MIT
// tapringd: builds the parts, hands each what it needs, and runs until it is told to stop.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "daemon/config/option_key.h"
#include "daemon/config/options.h"
#include "daemon/control/control.h"
#include "daemon/datapath/journal_files.h"
#include "daemon/datapath/worker_thread.h"
#include "daemon/host/descriptor_store.h"
#include "daemon/host/helper_threads.h"
#include "daemon/host/log.h"
#include "daemon/host/mount.h"
#include "daemon/host/notify.h"
#include "daemon/host/process_limits.h"
#include "daemon/host/reply_timeout.h"
#include "daemon/host/signals.h"
#include "daemon/host/sysfs_blkback.h"
#include "daemon/host/thread_background.h"
#include "daemon/host/watchdog.h"
#include "daemon/vbd/sandbox.h"
#include "daemon/vbd/server.h"
#include "daemon/xenstore/reconnecting_xenstore.h"
#include "daemon/xenstore/xen_xenstore.h"
#include "daemon/xenstore/xenstore_lock.h"

namespace tapring {
namespace {

using namespace std::chrono_literals;

// How long the end of the service may be held up, as by storage that hangs.
constexpr auto kDrainLimit = 20s;

// From one attempt to start to the next, under systemd.
constexpr auto kPauseAfterFailedStart = 5s;

// How soon a guest sees that its image has grown, and how long a driver domain keeps memory of a
// guest that is gone. To look costs a system call a disk.
constexpr auto kCheckInterval = 5s;

class ControlThread final : public Executor, public Timer {
 public:
  explicit ControlThread(boost::asio::io_context& context) : context_(context) {}
  void post(Work work) override {
    // Asio wants handlers that it can copy, in this version.
    boost::asio::post(context_, [shared = std::make_shared<Work>(std::move(work))] {
      // Moved out of `shared`, of which the posting thread may still have a copy: so that what the
      // work owns is destroyed on this thread, and before the next work runs.
      Work taken = std::move(*shared);
      taken();
    });
  }

  std::chrono::milliseconds now() const override {
    const auto time = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(time);
  }

  void after(std::chrono::milliseconds delay, Work work) override {
    const auto timer = std::make_shared<boost::asio::steady_timer>(context_, delay);
    timer->async_wait([timer, shared = std::make_shared<Work>(std::move(work))](
                          const boost::system::error_code& error) {
      if (!error) (*shared)();
    });
  }

 private:
  boost::asio::io_context& context_;
};

/// What the configuration says, or as many as there are descriptors for.
uint32_t max_disks_of(const Options& options) {
  const uint64_t descriptors = raise_descriptor_limit();
  const uint32_t most = disk_limit(descriptors, options.worker_count());
  if (most >= options.max_disks) return options.max_disks;
  spdlog::warn(
      "{} disks at most are served, not {} (max_disks): {} file descriptors are allowed "
      "(raise LimitNOFILE= of the service)",
      most, options.max_disks, descriptors);
  return most;
}

std::vector<std::string> texts_of(const std::vector<std::filesystem::path>& paths) {
  std::vector<std::string> texts;
  for (const std::filesystem::path& path : paths) texts.push_back(path.string());
  return texts;
}

ServerSettings settings_of(const Options& options) {
  ServerSettings settings;
  settings.max_disks = max_disks_of(options);
  settings.kinds = options.kinds;
  settings.offer = {options.queue_limit(), options.max_ring_page_order,
                    options.max_indirect_segments, options.max_persistent_grants};
  settings.errors = options.error_policy();
  OpenPolicy policy;
  policy.files.directories = texts_of(options.image_directories);
  policy.files.named = options.named_files;
  policy.files.listed = texts_of(options.named_file_directories);
  policy.map_cache_bytes = uint64_t{options.map_cache_kibibytes} << 10;
  settings.open_disk = explaining(Sandbox(own_mounts()), [policy](const OpenRequest& request) {
    return open_disk(request, policy);
  });
  settings.lock_wait = std::chrono::seconds(options.lock_wait_seconds);
  settings.plain_lines = options.plain_lines;
  return settings;
}

std::vector<std::unique_ptr<WorkerThread>> start_workers(const Options& options, Executor& helper) {
  std::vector<std::unique_ptr<WorkerThread>> threads;
  for (uint32_t i = 0; i < options.worker_count(); ++i) {
    WorkerSettings settings{.number = i,
                            .cpus = {},
                            .arena_bytes = std::size_t{options.arena_mebibytes} << 20,
                            .max_mappings =
                                kept_page_limit(mapping_limit(), options.worker_count()),
                            .busy_poll = std::chrono::microseconds(options.poll_microseconds)};
    const auto& cpus = options.worker_cpus;
    if (!cpus.empty()) settings.cpus = cpus[i % cpus.size()];
    threads.push_back(std::make_unique<WorkerThread>(settings, helper));
  }
  return threads;
}

/// Does something again and again on the control thread.
class Repeat {
 public:
  Repeat(boost::asio::io_context& context, std::chrono::microseconds interval,
         std::function<void()> work)
      : timer_(context), interval_(interval), work_(std::move(work)) {
    again();
  }

 private:
  void again() {
    timer_.expires_after(interval_);
    timer_.async_wait([this](const boost::system::error_code& error) {
      if (error) return;
      work_();
      again();
    });
  }

  boost::asio::steady_timer timer_;
  std::chrono::microseconds interval_;
  std::function<void()> work_;
};

/// What the daemon was started with.
struct Start {
  int argc;
  char** argv;
  Options options;
  std::vector<std::string> problems;
};

/// Finds what nobody tells of.
void check(Server& server) {
  server.check_sizes();
  server.check_guests();
}

void remember(const Options& options) {
  try {
    keep_for_next_start(options);
  } catch (const std::system_error& error) {
    spdlog::warn("a start with a wrong configuration will fail: {}", error.what());
  }
}

/// Takes what a running daemon can take of the configuration as it is now.
void reload(Start& start, Server& server) {
  std::ostringstream out;
  std::ostringstream err;
  const std::vector<const char*> arguments(start.argv + std::min(start.argc, 1),
                                           start.argv + start.argc);
  const auto wanted = parse_options(arguments, {kDefaultConfig, out, err});
  if (!wanted) {
    spdlog::error("not reloaded, the configuration stays as it was: {}", err.str());
    return;
  }
  const std::vector<std::string> others = take_live(start.options, *wanted);
  set_log_level(start.options.log_level);
  server.configure(settings_of(start.options));
  remember(start.options);
  spdlog::info("the configuration was reloaded");
  if (!others.empty()) {
    spdlog::warn("the new value of {} counts after: systemctl restart tapringd",
                 fmt::join(others, ", "));
  }
}

std::unique_ptr<XenstoreConnection> connect(boost::asio::io_context& control, ReplyTimeout& answers,
                                            XenstoreLock& only_one) {
  auto connection = std::make_unique<XenXenstore>(control, &answers);
  only_one.take();
  return connection;
}

int serve(Start& start, bool& serving) {
  const Options& options = start.options;
  // Tried now, so that a wrong environment fails at once; else again when xenstored is there.
  XenstoreLock only_one(place_of_xenstore(), place_of_locks(options.run_dir));
  only_one.take();
  DescriptorStore witnesses;
  boost::asio::io_context context;
  Notify notify;
  ControlThread control(context);
  ThreadBackground background;
  const SysfsBlkback blkback;
  JournalFiles journals(options.run_dir);
  ReplyTimeout answers(ReplyTimeout::kPatience);
  ReconnectingXenstore store([&] { return connect(context, answers, only_one); }, control, control);
  HelperThreads helpers;
  const auto threads = start_workers(options, helpers);
  std::vector<Worker*> workers;
  for (const auto& thread : threads) workers.push_back(&thread->worker());
  ServerSettings settings = settings_of(options);
  settings.problems = start.problems;
  Server server({store, control, background, control, blkback, journals, witnesses, workers},
                std::move(settings));
  std::optional<Control> socket(std::in_place, context, options.run_dir, server);

  std::optional<Watchdog> watchdog(std::in_place, [&notify] {
    if (notify.watchdog_interval()) notify.beat();
  });
  // The control thread may be slow while it waits for xenstored.
  watchdog->watch("the control thread", control, [&answers] { return answers.was_used(); });
  for (std::size_t i = 0; i < workers.size(); ++i) {
    watchdog->watch(fmt::format("worker-{}", i), workers[i]->loop());
  }
  watchdog->start(notify.watchdog_interval().value_or(Watchdog::kInterval),
                  [&answers] { answers.check(); });
  std::unique_ptr<Repeat> draining;
  const auto stop = [&] {
    if (draining) return;
    spdlog::info("stopping: answering what is in flight");
    notify.stopping();
    const auto left = std::ranges::count_if(server.report(), is_served);
    if (left > 0) spdlog::info("{} disk(s) and their guests wait for the next tapringd", left);
    server.shut_down();
    draining = std::make_unique<Repeat>(
        context, 10ms,
        [&server, &context, deadline = std::chrono::steady_clock::now() + kDrainLimit] {
          const bool late = std::chrono::steady_clock::now() > deadline;
          if (late) spdlog::error("stopping with requests unanswered: their storage hangs");
          if (late || server.idle()) context.stop();
        });
  };
  // SIGHUP also comes from a terminal that closes: it must not end the daemon.
  const Signals signals(
      context, [&](int signal) { return signal == SIGHUP ? reload(start, server) : stop(); });
  const Repeat checks(context, kCheckInterval, [&server] { check(server); });
  server.start([&notify, &serving, &options] {
    remember(options);
    serving = true;
    notify.ready("serving");
    spdlog::info("serving");
  });
  context.run();
  socket.reset();
  watchdog.reset();
  spdlog::info("stopped");
  // Without running destructors: a thread that hangs in its storage may still use any object here,
  // even the log.
  spdlog::default_logger()->flush();
  std::_Exit(EXIT_SUCCESS);
}

}  // namespace
}  // namespace tapring

int main(int argc, char** argv) {
  tapring::block_signals();
  std::vector<std::string> problems;
  const auto options = tapring::parse_options(argc, argv, problems);
  if (!options) return options.error();
  tapring::start_logging(options->log_level);
  tapring::allow_core_dumps(options->core_dumps);
  tapring::Start start{argc, argv, *options, std::move(problems)};
  bool serving = false;
  try {
    return tapring::serve(start, serving);
  } catch (const std::exception& error) {
    spdlog::critical("{}", error.what());
    // systemd restarts us at once, because after a crash guests wait. But what failed here will
    // most likely fail again, so wait a while first.
    if (!serving && std::getenv("NOTIFY_SOCKET") != nullptr) {
      tapring::wait_for_end_signal(tapring::kPauseAfterFailedStart);
    }
    return EXIT_FAILURE;
  }
}
