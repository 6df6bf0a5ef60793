// SPDX-License-Identifier: MIT
#include "daemon/control/control_command.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include "daemon/control/json_text.h"
#include "daemon/control/report_json.h"
#include "daemon/host/build_facts.h"
#include "daemon/host/log.h"

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

std::string required(const json::object& request, const char* name) {
  auto text = text_of(request, name);
  if (!text) throw Refusal(fmt::format("\"{}\" is missing", name));
  return std::move(*text);
}

bool is_named(const DiskReport& report, const std::string& name) {
  return report.disk == name || fmt::format("{}/{}", report.domain, report.device) == name;
}

std::vector<DiskReport> reports_of(const Administration& disks, const std::string& name) {
  std::vector<DiskReport> reports = disks.report();
  std::erase_if(reports, [&](const DiskReport& report) { return !is_named(report, name); });
  if (!reports.empty()) return reports;
  throw Refusal(fmt::format("there is no disk {}; tapring list shows those there are", name));
}

json::object describe(const Administration& disks, const std::optional<std::string>& disk) {
  std::vector<DiskReport> reports = disk ? reports_of(disks, *disk) : disks.report();
  std::ranges::sort(reports, {}, [](const DiskReport& report) {
    return std::tie(report.domain, report.device, report.kind);
  });
  json::array described;
  for (const DiskReport& report : reports) described.push_back(to_json(report));
  const std::chrono::nanoseconds time = std::chrono::steady_clock::now().time_since_epoch();
  return {{"ok", true},
          {"time_ns", time.count()},
          {"disks", std::move(described)},
          {"troubles", json::value_from(disks.problems())}};
}

json::object list(const json::object&, Administration& disks) {
  return describe(disks, std::nullopt);
}

json::object show(const json::object& request, Administration& disks) {
  return describe(disks, required(request, "disk"));
}

json::object stats(const json::object& request, Administration& disks) {
  return describe(disks, text_of(request, "disk"));
}

/// Does something to a disk, and then tells of it.
template <typename Act>
json::object act_on(Administration& disks, const json::object& request, const Act& act) {
  const std::string disk = required(request, "disk");
  for (const DiskReport& report : reports_of(disks, disk)) {
    const std::string reason = act(VbdName{report.kind, report.domain, report.device});
    if (!reason.empty()) throw Refusal(fmt::format("{}: {}", disk, reason));
  }
  return describe(disks, disk);
}

json::object resume(const json::object& request, Administration& disks) {
  return act_on(disks, request, [&](const VbdName& name) { return disks.resume(name); });
}

json::object adopt(const json::object& request, Administration& disks) {
  return act_on(disks, request, [&](const VbdName& name) { return disks.adopt(name); });
}

json::object release(const json::object& request, Administration& disks) {
  return act_on(disks, request, [&](const VbdName& name) { return disks.release(name); });
}

json::object policy(const json::object& request, Administration& disks) {
  PolicyWords words;
  for (const char* field : policy_fields()) {
    const auto word = text_of(request, field);
    ErrorPolicy ignored;
    if (word && !assign(ignored, field, *word)) {
      throw Refusal(fmt::format("{} = {}: must be {}", field, *word, expected_of(field)));
    }
    if (word) words[field] = *word;
  }
  if (words.empty()) return show(request, disks);
  return act_on(disks, request, [&](const VbdName& name) { return disks.set_policy(name, words); });
}

json::object log(const json::object& request, Administration&) {
  if (const auto name = text_of(request, "level")) {
    const auto level = parse_name<LogLevel>(*name);
    if (!level) {
      throw Refusal(fmt::format("there is no log level {}; the levels are {}", *name,
                                fmt::join(kNames<LogLevel>, ", ")));
    }
    set_log_level(*level);
    spdlog::info("the log level is now {}", *name);
  }
  return {{"ok", true}, {"level", name_of(spdlog::get_level())}};
}

json::object version(const json::object&, Administration&) {
  const BuildFacts facts = build_facts();
  return {{"ok", true},
          {"version", facts.version},
          {"compiler", facts.compiler},
          {"liburing", facts.liburing},
          {"boost", facts.boost}};
}

struct Command {
  const char* name;
  json::object (*run)(const json::object& request, Administration& disks);
};

constexpr Command kCommands[] = {
    {"list", list},       {"show", show},     {"stats", stats},
    {"resume", resume},   {"policy", policy}, {"log", log},
    {"version", version}, {"adopt", adopt},   {"release", release},
};

json::object run(const json::value& request, Administration& disks) {
  if (!request.is_object()) throw Refusal("a request must be a JSON object");
  const auto name = text_of(request.get_object(), "command");
  if (!name) throw Refusal("\"command\" is missing");
  const auto* command = std::ranges::find(kCommands, *name, &Command::name);
  if (command == std::end(kCommands)) throw Refusal(fmt::format("there is no command {}", *name));
  spdlog::debug("control socket: {}", json_text(request));
  return command->run(request.get_object(), disks);
}

}  // namespace

std::string control_error(std::string_view reason) {
  return json_text({{"ok", false}, {"error", reason}});
}

std::string answer_control(std::string_view request, Administration& disks) {
  json::error_code error;
  const json::value parsed = json::parse(request, error);
  if (error) return control_error("a request must be a JSON object: " + error.message());
  try {
    return json_text(run(parsed, disks));
  } catch (const Refusal& refusal) {
    return control_error(refusal.what());
  } catch (const std::system_error& failure) {  // of xenstore
    return control_error(failure.what());
  }
}

}  // namespace tapring
