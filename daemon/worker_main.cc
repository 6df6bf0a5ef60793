// SPDX-License-Identifier: MIT
#include "daemon/worker_main.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/prctl.h>

#include <boost/asio/io_context.hpp>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "daemon/config/option_key.h"
#include "daemon/control/control_command.h"
#include "daemon/datapath/remote_journals.h"
#include "daemon/disk_service.h"
#include "daemon/host/build_facts.h"
#include "daemon/host/control_link.h"
#include "daemon/host/control_thread.h"
#include "daemon/host/log.h"
#include "daemon/host/process_limits.h"
#include "daemon/host/remote_witnesses.h"
#include "daemon/host/signals.h"
#include "daemon/host/watchdog.h"
#include "daemon/vbd/remote_neighbours.h"
#include "daemon/vbd/server.h"
#include "daemon/vbd/spawned_workers.h"
#include "daemon/vbd/worker_walls.h"
#include "daemon/xenstore/reconnecting_xenstore.h"
#include "daemon/xenstore/remote_xenstore.h"
#include "daemon/xenstore/store_view.h"

namespace tapring {
namespace {

constexpr std::string_view kWorkerFlag = "--worker";

std::string contents_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::optional<WorkerWalls> raise_walls(const Options& options) {
  if (options.sandbox == WorkerSandbox::off) return std::nullopt;
  return std::optional<WorkerWalls>(std::in_place, options);
}

void serve(const WorkerStart& start, Options options) {
  boost::asio::io_context context;
  ControlThread control(context);
  ControlLink link(UniqueFd(SpawnedWorkers::kListener), control,
                   {std::to_string(kProtocolVersion), build_facts().version});
  // The control process logs what becomes of its connection.
  ReconnectingXenstore store([&link] { return std::make_unique<RemoteXenstore>(link); }, control,
                             control, LogLevel::debug);
  RemoteWitnesses witnesses(link);
  RemoteJournals journals(link);
  ServerSettings settings;
  settings.marker = marker_of(start.name);
  settings.neighbours = std::make_shared<RemoteNeighbours>(link);
  const auto replace_us = [&link](const char* why) { link.tell(Verb::outdated, {why}); };
  DiskService::Urings urings = DiskService::make_urings(options);  // later they cannot be made
  const auto walls = raise_walls(options);
  const auto explain = [&](DiskOpener open) {
    if (!walls) return open;
    return walls->explaining(std::move(open), [&] {
      control.post([&] { replace_us("file systems were mounted where its images are"); });
    });
  };
  DiskService disks({context, control, store, witnesses, journals}, options,
                    std::move(settings), std::move(urings), explain);

  link.on_call(Verb::request, [&disks](const Message& call) -> std::vector<std::string> {
    return {answer_control(call.words.empty() ? "" : call.words.front(), disks.server())};
  });
  link.on_told(Verb::configure, [&](const Message& message) {
    if (message.words.empty()) return;
    take_live(options, parse_toml(message.words.front()));
    set_log_level(options.log_level);
    if (walls && !walls->are_of(options)) return replace_us("image_directories was changed");
    disks.configure(options);
  });

  // A thread that hangs has met a mistake of ours: the next process takes the disks up.
  Watchdog watchdog([] {});
  watchdog.watch("the main thread", control, [&link] { return link.was_waited_for(); });
  disks.watch(watchdog);
  watchdog.start(Watchdog::kInterval);
  const Signals signals(context, [&disks](int signal) {
    if (signal != SIGHUP) disks.stop();
  });
  link.start();
  disks.start([&start] { spdlog::debug("{}: its worker process serves", start.name); });
  context.run();
  spdlog::debug("{}: its worker process stopped", start.name);
  // Without running destructors: a thread that hangs in its storage may still use any object here,
  // even the log.
  spdlog::default_logger()->flush();
  std::_Exit(EXIT_SUCCESS);
}

}  // namespace

std::vector<std::string> worker_arguments(const Options& options) {
  return {"tapringd", std::string(kWorkerFlag), file_of_last_start(options.run_dir).string()};
}

std::optional<WorkerStart> worker_of_arguments(std::span<char* const> arguments) {
  if (arguments.size() != 4 || arguments[1] != kWorkerFlag) return std::nullopt;
  return WorkerStart{arguments[2], arguments[3]};
}

int worker_main(const WorkerStart& start) try {
  // The service manager hears of the control process alone.
  for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) ::unsetenv(name);
  Options options = parse_toml(contents_of(start.config));
  start_logging(options.log_level);
  allow_core_dumps(options.core_dumps);
  ::prctl(PR_SET_NAME, fmt::format("tap-{}", start.name).c_str());
  serve(start, std::move(options));
  return EXIT_SUCCESS;
} catch (const std::exception& error) {
  spdlog::critical("{}: {}", start.name, error.what());
  return EXIT_FAILURE;
}

}  // namespace tapring
