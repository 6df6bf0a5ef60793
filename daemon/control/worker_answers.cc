// SPDX-License-Identifier: MIT
#include "daemon/control/worker_answers.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <iterator>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "daemon/control/control_command.h"
#include "daemon/control/json_text.h"
#include "daemon/control/report_json.h"
#include "daemon/vbd/administration.h"

namespace tapring {
namespace {

namespace json = boost::json;

constexpr const char* kHanging = "hanging";

std::string reason_of(const WorkerAnswer& silence) {
  return fmt::format(
      "its worker process has said nothing since {:%FT%TZ}: its storage hangs (journalctl -k); it "
      "is "
      "served again once that answers",
      fmt::gmtime(std::chrono::system_clock::to_time_t(silence.since)));
}

/// What is known of a disk without its worker.
json::object describe(const VbdName& vbd) {
  DiskReport report;
  report.disk = fmt::format("{}/{}", vbd.domain, vbd.device);
  report.domain = vbd.domain;
  report.device = vbd.device;
  report.kind = vbd.kind;
  report.vdev = std::to_string(vbd.device);
  return to_json(report);
}

/// The disks of this process, which has none.
class NoDisks final : public Administration {
 public:
  explicit NoDisks(std::vector<std::string> problems) : problems_(std::move(problems)) {}
  std::vector<DiskReport> report() const override { return {}; }
  std::vector<std::string> problems() const override { return problems_; }
  std::string resume(const VbdName&) override { return {}; }
  std::string set_policy(const VbdName&, const PolicyWords&) override { return {}; }
  std::string adopt(const VbdName&) override { return {}; }
  std::string release(const VbdName&) override { return {}; }

 private:
  std::vector<std::string> problems_;
};

std::optional<json::object> object_of(const std::string& text) {
  json::error_code error;
  json::value value = json::parse(text, error);
  if (error || !value.is_object()) return std::nullopt;
  return std::move(value.get_object());
}

bool is_ok(const json::object& answer) {
  const json::value* ok = answer.if_contains("ok");
  return ok != nullptr && ok->is_bool() && ok->get_bool();
}

/// "there is no disk" is what all workers say but the one that has it.
bool tells_reason(const json::object& answer) {
  const json::value* error = answer.if_contains("error");
  return error != nullptr && error->is_string() &&
         !error->get_string().starts_with("there is no disk");
}

/// Whose report it is; nullopt if it is none.
std::optional<VbdName> name_of(const json::value& disk) {
  const json::object* report = disk.if_object();
  if (report == nullptr) return std::nullopt;
  const auto number = [report](const char* name) -> std::optional<uint32_t> {
    const json::value* value = report->if_contains(name);
    json::error_code error;
    const auto told = value != nullptr ? value->to_number<uint32_t>(error) : 0;
    return value == nullptr || error ? std::nullopt : std::optional(told);
  };
  const json::value* kind = report->if_contains("kind");
  const auto domain = number("domain");
  const auto device = number("device");
  if (kind == nullptr || !kind->is_string() || !domain || !device) return std::nullopt;
  return VbdName{std::string(kind->get_string()), static_cast<DomainId>(*domain), *device};
}

auto place_of(const json::value& disk) {
  const auto number = [&disk](const char* name) -> int64_t {
    const json::value* value = disk.as_object().if_contains(name);
    return value != nullptr && value->is_number() ? value->to_number<int64_t>() : 0;
  };
  return std::tuple(number("domain"), number("device"));
}

}  // namespace

WorkerAnswers::WorkerAnswers(Supervisor& workers, std::vector<std::string> problems)
    : workers_(workers), problems_(std::move(problems)) {}

WorkerAnswers::~WorkerAnswers() = default;

void WorkerAnswers::answer(std::string_view request, std::function<void(std::string)> done) {
  std::vector<std::string> problems = problems_;
  if (!workers_.store_absence().empty()) {
    problems.push_back("xenstore is away, so that no disk can come or go: " +
                       workers_.store_absence());
  }
  NoDisks own(std::move(problems));
  std::string alone = answer_control(request, own);
  if (!object_of(std::string(request))) return done(std::move(alone));
  workers_.ask_all(std::string(request), [this, alone = std::move(alone), done = std::move(done)](
                                             const std::vector<WorkerAnswer>& answers) {
    done(put_together(alone, answers));
  });
}

/// `own`: what the control process says, as one that has no disks.
std::string WorkerAnswers::put_together(const std::string& own,
                                        const std::vector<WorkerAnswer>& answers) {
  std::erase_if(last_, [&answers](const auto& entry) {
    return std::ranges::find(answers, entry.first, &WorkerAnswer::worker) == answers.end();
  });
  json::object whole = object_of(own).value_or(json::object());
  const bool is_about_disks = whole.contains("disks") || !is_ok(whole);
  if (!is_about_disks) return own;
  json::array disks;
  bool any_ok = is_ok(whole);
  for (const WorkerAnswer& answer : answers) {
    const std::optional<json::object> said = object_of(answer.text);
    if (said && !is_ok(*said) && tells_reason(*said) && !tells_reason(whole)) whole = *said;
    if (said && is_ok(*said) && !any_ok) {
      any_ok = true;
      whole = *said;
      whole["disks"] = json::array();
    }
    take(answer, disks);
  }
  if (!any_ok) return json_text(std::move(whole));
  std::ranges::sort(disks, {}, place_of);
  whole["disks"] = std::move(disks);
  return json_text(std::move(whole));
}

/// A worker that was taken over must not speak of others' disks.
bool WorkerAnswers::is_of(const std::string& worker, const json::value& disk) const {
  const std::optional<VbdName> name = name_of(disk);
  return name && workers_.owns(worker, *name);
}

/// Adds what a worker says of its disks.
void WorkerAnswers::take(const WorkerAnswer& answer, json::array& disks) {
  if (const std::optional<json::object> said = object_of(answer.text)) {
    const json::value* told = said->if_contains("disks");
    if (told == nullptr || !told->is_array()) return;
    auto own = std::make_unique<json::array>(told->get_array());
    for (auto disk = own->begin(); disk != own->end();) {
      disk = is_of(answer.worker, *disk) ? std::next(disk) : own->erase(disk);
    }
    disks.insert(disks.end(), own->begin(), own->end());
    last_[answer.worker] = std::move(own);
    return;
  }
  const auto known = last_.find(answer.worker);
  json::array silent;
  if (known != last_.end()) {
    silent = *known->second;
  } else {
    for (const VbdName& vbd : answer.disks) silent.push_back(describe(vbd));
  }
  for (json::value& disk : silent) {
    disk.get_object()["state"] = kHanging;
    disk.get_object()["reason"] = reason_of(answer);
    disks.push_back(std::move(disk));
  }
}

}  // namespace tapring
