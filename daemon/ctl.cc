// SPDX-License-Identifier: MIT
#include "daemon/ctl.h"

#include <fmt/format.h>
#include <fmt/ostream.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <filesystem>
#include <ostream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "daemon/build_facts.h"
#include "daemon/ctl_client.h"
#include "daemon/ctl_pages.h"
#include "daemon/ctl_rates.h"
#include "daemon/log.h"
#include "daemon/options.h"
#include "daemon/printable.h"
#include "daemon/report_json.h"

namespace tapring {
namespace {

namespace json = boost::json;

enum ExitCode : int { kDone = 0, kRefused = 1, kUnusable = 2 };

/// The daemon says no.
struct Refused : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// What was typed.
struct Request {
  std::filesystem::path run_dir = Options{}.run_dir;
  std::string command;
  std::string disk;
  std::string level;
  double interval_s = 1;
  bool json = false;
};

json::object ask(const Request& request) {
  json::object message{{"command", request.command}};
  if (!request.disk.empty()) message["disk"] = request.disk;
  if (!request.level.empty()) message["level"] = request.level;
  json::object answer = ask_daemon(request.run_dir, message);
  const json::value* ok = answer.if_contains("ok");
  if (ok != nullptr && ok->is_bool() && ok->get_bool()) return answer;
  const json::value* error = answer.if_contains("error");
  const bool says_why = error != nullptr && error->is_string();
  throw Refused(says_why ? std::string(error->get_string()) : "the daemon refuses, and no reason");
}

std::vector<DiskReport> disks_of(const json::object& answer) {
  std::vector<DiskReport> disks;
  for (const json::value& disk : answer.at("disks").as_array()) {
    disks.push_back(report_from_json(disk));
  }
  return disks;
}

void list(const Request& request, const CtlWorld& world) {
  const json::object answer = ask(request);
  if (request.json) {
    world.out << answer << "\n";
  } else {
    list_table(disks_of(answer)).print(world.out, world.colours);
  }
}

void show(const Request& request, const CtlWorld& world) {
  const json::object answer = ask(request);
  if (request.json) {
    world.out << answer << "\n";
    return;
  }
  const char* between = "";
  for (const DiskReport& disk : disks_of(answer)) {
    world.out << between;
    print_disk(disk, world.out);
    between = "\n";
  }
}

/// Every disk's counters at one time.
struct Sample {
  std::chrono::nanoseconds time;
  std::vector<DiskReport> disks;

  // A disk that was not there yet has counted nothing.
  DiskCounters counters_of(const DiskReport& disk) const {
    const auto found = std::ranges::find_if(disks, [&](const DiskReport& other) {
      return other.disk == disk.disk && other.kind == disk.kind;
    });
    return found == disks.end() ? DiskCounters{} : found->counters;
  }
};

Sample sample(const Request& request) {
  const json::object answer = ask(request);
  return {std::chrono::nanoseconds(json::value_to<int64_t>(answer.at("time_ns"))),
          disks_of(answer)};
}

json::object json_of(const OperationRate& rate) {
  json::value latency;
  if (rate.mean_latency_us) latency = *rate.mean_latency_us;
  return {{"per_second", rate.per_second},
          {"bytes_per_second", rate.bytes_per_second},
          {"mean_latency_us", latency}};
}

json::object json_of(const std::vector<DiskSample>& samples, std::chrono::nanoseconds elapsed) {
  json::array disks;
  for (const auto& [disk, rates] : samples) {
    disks.push_back({{"disk", disk.disk},
                     {"kind", disk.kind},
                     {"state", disk.state},
                     {"rates",
                      {{"reads", json_of(rates.reads)},
                       {"writes", json_of(rates.writes)},
                       {"flushes", json_of(rates.flushes)}}},
                     {"counters", to_json(disk.counters)}});
  }
  return {{"ok", true},
          {"interval_seconds", std::chrono::duration<double>(elapsed).count()},
          {"disks", std::move(disks)}};
}

void stats(const Request& request, const CtlWorld& world) {
  const Sample before = sample(request);
  std::this_thread::sleep_for(std::chrono::duration<double>(request.interval_s));
  const Sample after = sample(request);
  const std::chrono::nanoseconds elapsed = after.time - before.time;
  std::vector<DiskSample> samples;
  samples.reserve(after.disks.size());
  for (const DiskReport& disk : after.disks) {
    samples.push_back({disk, rates_between(before.counters_of(disk), disk.counters, elapsed)});
  }
  if (request.json) {
    world.out << json_of(samples, elapsed) << "\n";
  } else {
    stats_table(samples).print(world.out, world.colours);
  }
}

void log(const Request& request, const CtlWorld& world) {
  const json::object answer = ask(request);
  if (request.json) {
    world.out << answer << "\n";
  } else {
    fmt::print(world.out, "{}\n", printable(json::value_to<std::string>(answer.at("level"))));
  }
}

struct Command {
  const char* name;
  const char* help;
  void (*run)(const Request& request, const CtlWorld& world);
};

constexpr Command kCommands[] = {
    {"list", "list the disks, where they are served from, and why not", list},
    {"show", "show all that is known of a disk", show},
    {"stats", "show what happens on the disks: rates over an interval, and totals", stats},
    {"log", "set the daemon's log level; without LEVEL, print it", log},
};

std::string level_help() {
  std::string help = "one of";
  for (const char* name : log_level_names()) help += fmt::format(" {}", name);
  return help;
}

void declare(CLI::App& app, Request& request) {
  app.set_version_flag("--version", version_line("tapring"),
                       "print the version and what it was built from, and exit");
  app.set_help_flag("-h,--help", "print this help and exit");
  app.add_option("--run-dir", request.run_dir, "the daemon's run_dir")
      ->type_name("DIR")
      ->capture_default_str();
  app.require_subcommand(1);
  app.fallthrough();
  app.footer(
      "Exit code: 0; 1 if the daemon refuses, as for an unknown disk; 2 for wrong usage or\n"
      "if no daemon answers.");
  for (const Command& command : kCommands) {
    CLI::App* sub = app.add_subcommand(command.name, command.help);
    sub->add_flag("--json", request.json, "print JSON, on one line");
  }
  const char* disk_help = "DOMAIN/VDEV or DOMAIN/DEVICE: 0/xvda, 0/51712";
  app.get_subcommand("show")
      ->add_option("DISK", request.disk, disk_help)
      ->type_name("")
      ->required();
  CLI::App* stats = app.get_subcommand("stats");
  stats->add_option("DISK", request.disk, disk_help)->type_name("");
  stats->add_option("--interval", request.interval_s, "how long to look")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.01, 3600.0).description(""))
      ->capture_default_str();
  app.get_subcommand("log")->add_option("LEVEL", request.level, level_help())->type_name("");
}

int fail(const Request& request, const CtlWorld& world, ExitCode code, const char* reason) {
  if (request.json) world.out << json::object{{"ok", false}, {"error", reason}} << "\n";
  fmt::print(world.err, "tapring: {}\n", printable(reason));
  return code;
}

int run(const Request& request, const CtlWorld& world) {
  try {
    std::ranges::find(kCommands, request.command, &Command::name)->run(request, world);
    return kDone;
  } catch (const Refused& refusal) {
    return fail(request, world, kRefused, refusal.what());
  } catch (const NoDaemon& error) {
    return fail(request, world, kUnusable, error.what());
  } catch (const std::exception& error) {
    const std::string reason = fmt::format("the answer cannot be read: {}", error.what());
    return fail(request, world, kUnusable, reason.c_str());
  }
}

}  // namespace

int run_ctl(std::span<const char* const> arguments, const CtlWorld& world) {
  CLI::App app("Asks tapringd, which serves disks of Xen guests", "tapring");
  Request request;
  declare(app, request);
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    app.parse(std::move(reversed));
  } catch (const CLI::Success& asked) {
    app.exit(asked, world.out, world.err);
    return kDone;
  } catch (const CLI::ParseError& error) {
    fmt::print(world.err, "tapring: {}; tapring --help lists what there is\n",
               printable(error.what()));
    return kUnusable;
  }
  request.command = app.get_subcommands().front()->get_name();
  return run(request, world);
}

}  // namespace tapring
