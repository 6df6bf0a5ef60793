// SPDX-License-Identifier: MIT
#include "daemon/cli/cli.h"

#include <fmt/format.h>
#include <fmt/ostream.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <filesystem>
#include <initializer_list>
#include <ostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include "daemon/cli/client.h"
#include "daemon/cli/exit_code.h"
#include "daemon/cli/failure.h"
#include "daemon/cli/image_command.h"
#include "daemon/cli/image_holders.h"
#include "daemon/cli/pages.h"
#include "daemon/cli/rates.h"
#include "daemon/cli/usage.h"
#include "daemon/config/options.h"
#include "daemon/control/json_text.h"
#include "daemon/control/report_json.h"
#include "daemon/datapath/error_policy.h"
#include "daemon/host/build_facts.h"
#include "daemon/host/log.h"
#include "formats/printable.h"

namespace tapring {
namespace {

namespace json = boost::json;

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
  PolicyWords policy;
  std::string path;
  double interval_s = 1;
  bool all = false;
  bool json = false;
};

json::object ask(const Request& request, const Streams& streams) {
  json::object message{{"command", request.command}};
  if (!request.disk.empty()) message["disk"] = request.disk;
  if (!request.level.empty()) message["level"] = request.level;
  for (const auto& [field, word] : request.policy) {
    if (!word.empty()) message[field] = word;
  }
  json::object answer = ask_daemon(request.run_dir, message, streams.patience);
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

void print_problems(const json::object& answer, std::ostream& err) {
  const json::value* problems = answer.if_contains("troubles");
  if (problems == nullptr) return;  // an older daemon
  for (const auto& problem : json::value_to<std::vector<std::string>>(*problems)) {
    print_problem(err, problem);
  }
}

void list(const Request& request, const Streams& streams) {
  const json::object answer = ask(request, streams);
  if (request.json) {
    streams.out << json_text(answer) << "\n";
  } else {
    list_table(disks_of(answer)).print(streams.out, streams.colours);
    print_problems(answer, streams.err);
  }
}

void show(const Request& request, const Streams& streams) {
  const json::object answer = ask(request, streams);
  if (request.json) {
    streams.out << json_text(answer) << "\n";
    return;
  }
  const char* between = "";
  for (const DiskReport& disk : disks_of(answer)) {
    streams.out << between;
    print_disk(disk, streams.out);
    between = "\n";
  }
}

/// Waits until the held requests have been retried: the disk goes on, or all have failed again.
void resume(const Request& request, const Streams& streams) {
  constexpr std::chrono::milliseconds kPause(50);
  constexpr std::chrono::seconds kPatience(10);  // for storage that is slow to fail
  Request look = request;
  look.command = "show";
  const DiskReport before = disks_of(ask(look, streams)).front();
  const auto until = std::chrono::steady_clock::now() + kPatience;
  json::object answer = ask(request, streams);
  for (;;) {
    const DiskReport now = disks_of(answer).front();
    if (now.state != "paused") break;
    const bool tried = now.counters.retries - before.counters.retries >= before.counters.held;
    if (tried || std::chrono::steady_clock::now() > until) {
      throw Refused(fmt::format("{}: still paused, {}: {}", now.disk, now.paused_for, now.reason));
    }
    std::this_thread::sleep_for(kPause);
    answer = ask(look, streams);
  }
  if (request.json) streams.out << json_text(answer) << "\n";
}

/// Waits until the disk has reached one of the states `aims`.
void hand_over(const Request& request, const Streams& streams,
               std::initializer_list<std::string_view> aims) {
  constexpr std::chrono::milliseconds kPause(50);
  json::object answer = ask(request, streams);
  Request look = request;
  look.command = "show";
  const auto under_way = [&answer] {
    return std::ranges::any_of(disks_of(answer), [](const DiskReport& disk) {
      return disk.state == "adopting" || disk.state == "releasing" || disk.state == "connecting";
    });
  };
  while (under_way()) {
    std::this_thread::sleep_for(kPause);
    answer = ask(look, streams);
  }
  for (const DiskReport& disk : disks_of(answer)) {
    if (std::ranges::find(aims, disk.state) != aims.end()) continue;
    throw Refused(fmt::format("{}: {}", request.disk, disk.reason));
  }
  if (request.json) streams.out << json_text(answer) << "\n";
}

void adopt(const Request& request, const Streams& streams) {
  hand_over(request, streams, {"connected", "paused", "errors", "failed"});
}

/// Releases every disk that is served. One that cannot be released is named, and the others are
/// released all the same.
void release_all(const Request& request, const Streams& streams) {
  Request list = request;
  list.command = "list";
  std::size_t kept = 0;
  for (const DiskReport& disk : disks_of(ask(list, streams))) {
    if (!is_served(disk)) continue;
    Request one = request;
    one.disk = disk.disk;
    one.json = false;
    try {
      hand_over(one, streams, {"kernel"});
      if (!request.json) fmt::print(streams.out, "{}: given to xen-blkback\n", disk.disk);
    } catch (const Refused& refusal) {
      ++kept;
      print_problem(streams.err, refusal.what());
    }
  }
  if (kept > 0) throw Refused(fmt::format("{} disk(s) stay with tapringd", kept));
  if (request.json) streams.out << json_text(ask(list, streams)) << "\n";
}

void release(const Request& request, const Streams& streams) {
  return request.all ? release_all(request, streams) : hand_over(request, streams, {"kernel"});
}

void policy(const Request& request, const Streams& streams) {
  const json::object answer = ask(request, streams);
  if (request.json) {
    streams.out << json_text(answer) << "\n";
    return;
  }
  for (const DiskReport& disk : disks_of(answer)) print_policy(disk, streams.out);
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

Sample sample(const Request& request, const Streams& streams) {
  const json::object answer = ask(request, streams);
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

void stats(const Request& request, const Streams& streams) {
  const Sample before = sample(request, streams);
  std::this_thread::sleep_for(std::chrono::duration<double>(request.interval_s));
  const Sample after = sample(request, streams);
  const std::chrono::nanoseconds elapsed = after.time - before.time;
  std::vector<DiskSample> samples;
  samples.reserve(after.disks.size());
  for (const DiskReport& disk : after.disks) {
    samples.push_back({disk, rates_between(before.counters_of(disk), disk.counters, elapsed)});
  }
  if (request.json) {
    streams.out << json_text(json_of(samples, elapsed)) << "\n";
  } else {
    stats_table(samples).print(streams.out, streams.colours);
  }
}

void log(const Request& request, const Streams& streams) {
  const json::object answer = ask(request, streams);
  if (request.json) {
    streams.out << json_text(answer) << "\n";
  } else {
    fmt::print(streams.out, "{}\n", printable(json::value_to<std::string>(answer.at("level"))));
  }
}

/// Empty if the daemon does not answer: then no disk can be named, but the holder's process can.
std::vector<DiskReport> disks_if_any(Request request, const Streams& streams) {
  request.command = "list";
  try {
    return disks_of(ask(request, streams));
  } catch (const NoDaemon&) {
    return {};
  }
}

void holder(const Request& request, const Streams& streams) {
  ImageHolders holders;
  try {
    holders = image_holders(request.path, disks_if_any(request, streams));
  } catch (const std::system_error& error) {
    throw Refused(error.what());
  }
  if (request.json) {
    streams.out << json_text(to_json(holders)) << "\n";
  } else {
    print(holders, streams.out);
  }
}

struct Command {
  const char* name;
  const char* help;
  void (*run)(const Request& request, const Streams& streams);
  bool changes = false;  ///< whether the daemon changes anything for it
};

constexpr Command kCommands[] = {
    {"list", "list the disks, where they are served from, and why not", list},
    {"show", "show all that is known of a disk", show},
    {"stats", "show what happens on the disks: rates over an interval, and totals", stats},
    {"resume", "try what a paused disk holds at once", resume, true},
    {"adopt", "take a disk from xen-blkback while its guest uses it", adopt, true},
    {"release", "give a disk to xen-blkback while its guest uses it", release, true},
    {"policy", "set what becomes of requests that a disk's storage fails, and print it", policy,
     true},
    {"log", "set the daemon's log level; without LEVEL, print it", log, true},
    {"holder", "show who of this host has an image locked", holder},
};

std::string level_help() {
  std::string help = "one of";
  for (const char* name : kNames<LogLevel>) help += fmt::format(" {}", name);
  return help;
}

void declare(CLI::App& app, Request& request) {
  app.set_version_flag("-V,--version", version_line("tapring"),
                       "print the version and what it was built from, and exit");
  app.set_help_flag("-h,--help", "print this help and exit");
  app.add_option("--run-dir", request.run_dir, "the daemon's run_dir")
      ->type_name("DIR")
      ->capture_default_str();
  app.add_flag("--json", request.json, "print JSON, on one line");
  app.require_subcommand(1);
  app.fallthrough();
  app.footer(
      "Exit code: 0; 1 if it cannot be done, as for an unknown disk; 2 for wrong usage;\n"
      "3 if no daemon answers; 4 if it has not answered in time. Of image: 1 for wrong\n"
      "usage too, and of image check 2 for corruptions, 3 for leaks.");
  for (const Command& command : kCommands) {
    CLI::App* sub = app.add_subcommand(command.name, command.help);
    sub->add_flag("--json", request.json, "print JSON, on one line");
  }
  const char* disk_help = "DOMAIN/VDEV or DOMAIN/DEVICE: 0/xvda, 0/51712";
  const CLI::Validator not_empty(
      [](const std::string& text) {
        return std::string(text.empty() ? "it is empty; name a disk, as 0/xvda" : "");
      },
      "");
  for (const char* command : {"show", "resume", "adopt", "policy"}) {
    app.get_subcommand(command)
        ->add_option("DISK", request.disk, disk_help)
        ->type_name("")
        ->check(not_empty)
        ->required();
  }
  CLI::App* release = app.get_subcommand("release");
  release->add_option("DISK", request.disk, disk_help)->type_name("")->check(not_empty);
  release->add_flag("--all", request.all, "every disk that is served");
  release->final_callback([&request] {
    if (request.all == request.disk.empty()) return;
    throw CLI::RequiredError("DISK or --all, one of the two,");
  });
  for (const char* field : policy_fields()) {
    app.get_subcommand("policy")
        ->add_option("--" + dashed(field), request.policy[field], expected_of(field))
        ->type_name("");
  }
  CLI::App* stats = app.get_subcommand("stats");
  stats->add_option("DISK", request.disk, disk_help)->type_name("")->check(not_empty);
  stats->add_option("--interval", request.interval_s, "how long to look")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.01, 3600.0).description(""))
      ->capture_default_str();
  app.get_subcommand("holder")
      ->add_option("IMAGE", request.path, "path of the image")
      ->type_name("")
      ->required();
  app.get_subcommand("log")->add_option("LEVEL", request.level, level_help())->type_name("");
}

int fail(const Request& request, const Streams& streams, ExitCode code, const std::string& reason) {
  print_failure(streams, request.json, reason);
  return code;
}

int run(const Request& request, const Streams& streams) {
  const Command& command = *std::ranges::find(kCommands, request.command, &Command::name);
  try {
    command.run(request, streams);
    return kDone;
  } catch (const Refused& refusal) {
    return fail(request, streams, kFailed, refusal.what());
  } catch (const NoAnswer& error) {
    const char* outlook = command.changes ? "; what it was asked to do may still happen" : "";
    return fail(request, streams, kNoAnswer, error.what() + std::string(outlook));
  } catch (const NoDaemon& error) {
    return fail(request, streams, kNoDaemon, error.what());
  } catch (const std::exception& error) {
    return fail(request, streams, kNoDaemon,
                fmt::format("the answer cannot be read: {}", error.what()));
  }
}

/// What to look at after wrong usage.
std::string more_help(const CLI::App& app, const std::vector<std::string>& arguments) {
  const CLI::App& command = named_command(app, arguments);
  if (&command == &app) return "; tapring --help lists what there is";
  const auto habit = instead_of_qemu(command, arguments);
  return (habit ? " (" + *habit + ")" : "") + "; see " + words_of(command) + " --help";
}

int run_arguments(const std::vector<std::string>& arguments, const Streams& streams) {
  CLI::App app("Asks tapringd, which serves disks of Xen guests", "tapring");
  Request request;
  declare(app, request);
  ImageRequest image;
  declare_image(app, image);
  const auto misuse = [&](const std::string& reason) {
    print_problem(streams.err, reason);
    // Codes 2 and 3 of `image check` mean corruptions and leaks, so no `image` command has others.
    return command_in(arguments) == "image" ? kFailed : kUsage;
  };
  try {
    if (const auto wrong = wrong_command(app, arguments)) return misuse(*wrong);
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::Success& asked) {
    app.exit(asked, streams.out, streams.err);
    return kDone;
  } catch (const CLI::ParseError& error) {
    return misuse(error.what() + more_help(app, arguments));
  }
  if (image.app->parsed()) {
    image.json = image.json || request.json;
    return run_image(image, streams);
  }
  request.command = app.get_subcommands().front()->get_name();
  return run(request, streams);
}

}  // namespace

int run_cli(std::span<const char* const> arguments, const Streams& streams) {
  const int code = run_arguments(plain_arguments(arguments), streams);
  if (streams.out.flush()) return code;
  print_problem(streams.err, "the output could not be written; is there room for it?");
  return code == kDone ? kFailed : code;
}

}  // namespace tapring
