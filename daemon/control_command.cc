// SPDX-License-Identifier: MIT
#include "daemon/control_command.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <tuple>

#include "daemon/build_facts.h"
#include "daemon/log.h"
#include "daemon/printable.h"
#include "daemon/report_json.h"

namespace tapring {
namespace {

namespace json = boost::json;

/// Why a request is refused, in words for whoever typed the command.
struct Refusal : std::runtime_error {
  using std::runtime_error::runtime_error;
};

std::optional<std::string> text_of(const json::object& request, const char* name) {
  const json::value* value = request.if_contains(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) throw Refusal(fmt::format("\"{}\" must be a string", name));
  return std::string(value->as_string());
}

bool is_named(const DiskReport& report, const std::string& name) {
  return report.disk == name || fmt::format("{}/{}", report.domain, report.device) == name;
}

json::object describe(const Reporter& reporter, const std::optional<std::string>& disk) {
  std::vector<DiskReport> reports = reporter.report();
  if (disk) {
    std::erase_if(reports, [&](const DiskReport& report) { return !is_named(report, *disk); });
    if (reports.empty()) {
      throw Refusal(fmt::format("there is no disk {}; tapring list shows those there are", *disk));
    }
  }
  std::ranges::sort(reports, {}, [](const DiskReport& report) {
    return std::tie(report.domain, report.device, report.kind);
  });
  json::array disks;
  for (const DiskReport& report : reports) disks.push_back(to_json(report));
  const std::chrono::nanoseconds time = std::chrono::steady_clock::now().time_since_epoch();
  return {{"ok", true}, {"time_ns", time.count()}, {"disks", std::move(disks)}};
}

json::object list(const json::object&, const Reporter& reporter) {
  return describe(reporter, std::nullopt);
}

json::object show(const json::object& request, const Reporter& reporter) {
  const auto disk = text_of(request, "disk");
  if (!disk) throw Refusal("\"disk\" is missing");
  return describe(reporter, disk);
}

json::object stats(const json::object& request, const Reporter& reporter) {
  return describe(reporter, text_of(request, "disk"));
}

json::object log(const json::object& request, const Reporter&) {
  if (const auto name = text_of(request, "level")) {
    const auto level = parse_log_level(*name);
    if (!level) {
      throw Refusal(fmt::format("there is no log level {}; the levels are {}", *name,
                                fmt::join(log_level_names(), ", ")));
    }
    set_log_level(*level);
    spdlog::info("the log level is now {}", *name);
  }
  return {{"ok", true}, {"level", log_level_name(spdlog::get_level())}};
}

json::object version(const json::object&, const Reporter&) {
  const BuildFacts facts = build_facts();
  return {{"ok", true},
          {"version", facts.version},
          {"compiler", facts.compiler},
          {"liburing", facts.liburing},
          {"boost", facts.boost}};
}

struct Command {
  const char* name;
  json::object (*run)(const json::object& request, const Reporter& reporter);
};

constexpr Command kCommands[] = {
    {"list", list}, {"show", show}, {"stats", stats}, {"log", log}, {"version", version},
};

json::object run(const json::value& request, const Reporter& reporter) {
  if (!request.is_object()) throw Refusal("a request must be a JSON object");
  const auto name = text_of(request.get_object(), "command");
  if (!name) throw Refusal("\"command\" is missing");
  const auto* command = std::ranges::find(kCommands, *name, &Command::name);
  if (command == std::end(kCommands)) throw Refusal(fmt::format("there is no command {}", *name));
  return command->run(request.get_object(), reporter);
}

}  // namespace

std::string control_error(std::string_view reason) {
  return json::serialize(json::object{{"ok", false}, {"error", printable(reason)}});
}

std::string answer_control(std::string_view request, const Reporter& reporter) {
  json::error_code error;
  const json::value parsed = json::parse(request, error);
  if (error) return control_error("a request must be a JSON object: " + error.message());
  try {
    return json::serialize(run(parsed, reporter));
  } catch (const Refusal& refusal) {
    return control_error(refusal.what());
  }
}

}  // namespace tapring
