// SPDX-License-Identifier: MIT
// tapringd: builds the parts, hands each what it needs, and runs until it is told to stop.
//
// With isolation = "host" one process does everything. Else that of the service is the control
// process, which has xenstore and the control socket and starts worker processes, which serve the
// disks.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/config/option_key.h"
#include "daemon/config/options.h"
#include "daemon/control/control.h"
#include "daemon/control/worker_answers.h"
#include "daemon/datapath/journal_files.h"
#include "daemon/disk_service.h"
#include "daemon/host/build_facts.h"
#include "daemon/host/control_thread.h"
#include "daemon/host/descriptor_store.h"
#include "daemon/host/inherited_descriptors.h"
#include "daemon/host/log.h"
#include "daemon/host/notify.h"
#include "daemon/host/process_limits.h"
#include "daemon/host/repeat.h"
#include "daemon/host/reply_timeout.h"
#include "daemon/host/signals.h"
#include "daemon/host/watchdog.h"
#include "daemon/host/witness_keeper.h"
#include "daemon/vbd/spawned_workers.h"
#include "daemon/vbd/supervisor.h"
#include "daemon/worker_main.h"
#include "daemon/xenstore/reconnecting_xenstore.h"
#include "daemon/xenstore/xen_xenstore.h"
#include "daemon/xenstore/xenstore_lock.h"

namespace tapring {
namespace {

using namespace std::chrono_literals;

// How long worker processes may hold up the end of the service, as with storage that hangs: they
// end by themselves a little sooner.
constexpr auto kStopLimit = 22s;

// From one attempt to start to the next, under systemd.
constexpr auto kPauseAfterFailedStart = 5s;

/// What the daemon was started with.
struct Start {
  int argc;
  char** argv;
  Options options;
  std::vector<std::string> problems;
};

void remember(const Options& options) {
  try {
    keep_for_next_start(options);
  } catch (const std::system_error& error) {
    spdlog::warn("a start with a wrong configuration will fail: {}", error.what());
  }
}

/// Takes what a running daemon can take of the configuration as it is now.
void reload(Start& start, const std::function<void(const Options&)>& configure) {
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
  remember(start.options);  // before worker processes are told, as that may replace them
  configure(start.options);
  spdlog::info("the configuration was reloaded");
  if (!others.empty()) {
    spdlog::warn("the new value of {} counts after: systemctl restart tapringd",
                 fmt::join(others, ", "));
  }
}

/// What both kinds of the service's process have.
struct Service {
  explicit Service(const Options& options)
      : only_one(place_of_xenstore(), place_of_locks(options.run_dir)) {
    // Tried now, so that a wrong environment fails at once; else again when xenstored is there.
    only_one.take();
  }
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  std::unique_ptr<XenstoreConnection> connect() {
    auto connection = std::make_unique<XenXenstore>(context, &answers);
    only_one.take();
    return connection;
  }

  void start_watchdog() {
    // The control thread may be slow while it waits for xenstored.
    watchdog->watch("the control thread", control, [this] { return answers.was_used(); });
    watchdog->start(notify.watchdog_interval().value_or(Watchdog::kInterval),
                    [this] { answers.check(); });
  }

  void on_serving(const Options& options, bool& serving) {
    remember(options);
    serving = true;
    notify.ready("serving");
    spdlog::info("serving");
  }

  XenstoreLock only_one;
  boost::asio::io_context context;
  Notify notify;
  ControlThread control{context};
  ReplyTimeout answers{ReplyTimeout::kPatience};
  ReconnectingXenstore store{[this] { return connect(); }, control, control};
  std::optional<Watchdog> watchdog{std::in_place, [this] {
                                     if (notify.watchdog_interval()) notify.beat();
                                   }};
};

/// Without running destructors: a thread that hangs in its storage may still use any object, even
/// the log.
[[noreturn]] void end_process() {
  spdlog::info("stopped");
  spdlog::default_logger()->flush();
  std::_Exit(EXIT_SUCCESS);
}

void serve_disks(Start& start, bool& serving) {
  Service service(start.options);
  SpawnedWorkers::stop_left(start.options.run_dir);  // where isolation was another
  DescriptorStore witnesses;
  JournalFiles journals(start.options.run_dir);
  ServerSettings settings;
  settings.problems = start.problems;
  DiskService disks({service.context, service.control, service.store, witnesses, journals},
                    start.options, std::move(settings), DiskService::make_urings(start.options));
  std::optional<Control> socket(std::in_place, service.context, start.options.run_dir,
                                disks.server());
  disks.watch(*service.watchdog);
  service.start_watchdog();
  // SIGHUP also comes from a terminal that closes: it must not end the daemon.
  const Signals signals(service.context, [&](int signal) {
    if (signal == SIGHUP) {
      return reload(start, [&disks](const Options& options) { disks.configure(options); });
    }
    service.notify.stopping();
    disks.stop();
  });
  disks.start([&] { service.on_serving(start.options, serving); });
  service.context.run();
  socket.reset();
  service.watchdog.reset();
  end_process();
}

void supervise(Start& start, bool& serving) {
  Service service(start.options);
  InheritedDescriptors inherited;
  WitnessKeeper witnesses(inherited);
  ThreadBackground background;
  JournalFiles journals(start.options.run_dir);
  remember(start.options);   // worker processes read it there
  raise_descriptor_limit();  // they inherit it, and witnesses take one for each disk
  SpawnedWorkers processes(service.context, start.options.run_dir, worker_arguments(start.options));
  Supervisor workers(
      {service.store, service.control, background, service.control, processes, journals, witnesses},
      start.options.kinds, build_facts().version, to_toml(start.options), start.options.isolation);
  WorkerAnswers answers(workers, start.problems);
  std::optional<Control> socket(
      std::in_place, service.context, start.options.run_dir,
      [&answers](std::string_view request, std::function<void(std::string)> done) {
        answers.answer(request, std::move(done));
      });
  service.start_watchdog();
  std::unique_ptr<Repeat> stopping;
  const Signals signals(service.context, [&](int signal) {
    if (signal == SIGHUP) {
      return reload(start, [&](const Options& options) { workers.configure(to_toml(options)); });
    }
    if (stopping) return;
    service.notify.stopping();
    spdlog::info("stopping: the worker processes answer what is in flight");
    workers.shut_down();
    stopping = std::make_unique<Repeat>(
        service.context, 10ms, [&, deadline = std::chrono::steady_clock::now() + kStopLimit] {
          const bool late = std::chrono::steady_clock::now() > deadline;
          if (late) spdlog::error("worker processes are left behind: their storage hangs");
          if (late || workers.idle()) service.context.stop();
        });
  });
  workers.start([&] { service.on_serving(start.options, serving); });
  service.context.run();
  socket.reset();
  service.watchdog.reset();
  end_process();
}

}  // namespace
}  // namespace tapring

int main(int argc, char** argv) {
  tapring::block_signals();
  const std::span<char*> arguments(argv, static_cast<std::size_t>(argc));
  if (const auto worker = tapring::worker_of_arguments(arguments)) {
    return tapring::worker_main(*worker);
  }
  std::vector<std::string> problems;
  const auto options = tapring::parse_options(argc, argv, problems);
  if (!options) return options.error();
  tapring::start_logging(options->log_level);
  tapring::allow_core_dumps(options->core_dumps);
  tapring::Start start{argc, argv, *options, std::move(problems)};
  bool serving = false;
  try {
    start.options.isolation == tapring::Isolation::host ? tapring::serve_disks(start, serving)
                                                        : tapring::supervise(start, serving);
    return EXIT_SUCCESS;
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
