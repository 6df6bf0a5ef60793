// SPDX-License-Identifier: MIT
#include "tests/sim/scenario.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace tapring::sim {
namespace {

std::string in_milliseconds(Time time) {
  return fmt::format("{:.3f} ms", static_cast<double>(time.count()) / 1e6);
}

struct InWords {
  std::string operator()(const AttachDisk& /*deed*/) const { return "attach"; }
  std::string operator()(const RunLoad& deed) const {
    const LoadOptions& load = deed.options;
    return fmt::format(
        "load: {} requests, {} at a time, {:.0f} % writes, {:.0f} % flushes, {:.0f} % "
        "barriers, {:.0f} % discards, up to {} sectors of the {} {}",
        load.requests, load.depth, load.writes * 100, load.flushes * 100, load.barriers * 100,
        load.discards * 100, load.most_sectors, load.at_end ? "last" : "first",
        load.region_sectors);
  }
  std::string operator()(const ReloadDriver& deed) const {
    return "driver closes and comes again: " + describe(deed.next);
  }
  std::string operator()(const StartOtherKernel& deed) const {
    return "kexec: " + describe(deed.next);
  }
  std::string operator()(const DetachDisk& /*deed*/) const { return "detach"; }
  std::string operator()(const ForceDetach& /*deed*/) const { return "detach by force"; }
  std::string operator()(const DestroyGuest& /*deed*/) const { return "the guest is destroyed"; }
  std::string operator()(const PauseGuest& deed) const {
    return "the guest pauses for " + in_milliseconds(deed.time);
  }
  std::string operator()(const RestartDaemon& deed) const {
    return fmt::format("tapringd restarts, {} persistent grants", deed.max_persistent_grants);
  }
  std::string operator()(const KillDaemon& deed) const {
    return fmt::format("tapringd is killed{}, the next one begins in {}",
                       deed.after_stores
                           ? fmt::format(" after {} stores to its journals", *deed.after_stores)
                           : "",
                       in_milliseconds(deed.until_next));
  }
  std::string operator()(const KillControl& deed) const {
    return fmt::format("the control process is killed, the next one{} begins in {}",
                       deed.is_upgrade ? ", of another version," : "",
                       in_milliseconds(deed.until_next));
  }
  std::string operator()(const KillWorker& /*deed*/) const {
    return "the worker process is killed";
  }
  std::string operator()(const OutdateWorker& /*deed*/) const {
    return "the worker process is outdated";
  }
  std::string operator()(const DieAtMessage& deed) const {
    constexpr std::array<const char*, 4> kVictims{"nobody dies", "its sender dies",
                                                  "its receiver dies", "both die"};
    return fmt::format("at message {} from now {}", deed.number,
                       kVictims[static_cast<std::size_t>(deed.victim)]);
  }
  std::string operator()(const LoseXenstore& deed) const {
    return fmt::format("the connection to xenstored is lost at call {}, for {}", deed.call,
                       in_milliseconds(deed.time));
  }
  std::string operator()(const PowerOff& /*deed*/) const { return "the host loses its power"; }
  std::string operator()(const ChangeStorage& deed) const {
    std::string text =
        fmt::format("storage: {} to {}, errors {:.1f} %, short {:.0f} %, writes: {}, syncs: {}",
                    in_milliseconds(deed.latency.least), in_milliseconds(deed.latency.most),
                    deed.error_probability * 100, deed.short_probability * 100,
                    std::strerror(deed.write_error), std::strerror(deed.sync_error));
    for (const auto& [kind, latency] : deed.latencies) {
      text += fmt::format(", {} up to {}", kind == FileOperation::Kind::sync ? "syncs" : "discards",
                          in_milliseconds(latency.most));
    }
    return text;
  }
  std::string operator()(const FillStorage& deed) const {
    return fmt::format("storage is full for {:.0f} % of the writes, for {}", deed.probability * 100,
                       in_milliseconds(deed.time));
  }
  std::string operator()(const ChangePolicy& deed) const {
    return fmt::format("policy: {}", deed.words);
  }
  std::string operator()(const ResumeDisk& /*deed*/) const { return "resume"; }
  std::string operator()(const GrowImage& deed) const {
    return fmt::format("the image grows by {} bytes", deed.bytes);
  }
  std::string operator()(const HangStorage& deed) const {
    return "storage hangs for " + in_milliseconds(deed.time);
  }
  std::string operator()(const HoldOpens& deed) const {
    return "opening images hangs for " + in_milliseconds(deed.time);
  }
  std::string operator()(const ChangeScript& deed) const {
    return fmt::format("hotplug scripts take {} and write '{}'", in_milliseconds(deed.takes),
                       deed.writes);
  }
  std::string operator()(const Misbehave& deed) const {
    return fmt::format("the guest misbehaves {} times", deed.times);
  }
};

}  // namespace

bool any_deed(const Scenario& scenario, const std::function<bool(const Deed&)>& is_it) {
  return std::ranges::any_of(scenario.acts, is_it, &Act::deed);
}

std::string describe(const FrontendOptions& options) {
  return fmt::format("{}, {} queues of {} pages, {} indirect segments{}{}{}{}{}",
                     options.protocol.empty() ? "no protocol" : options.protocol, options.queues,
                     1U << options.ring_order, options.indirect_segments,
                     options.persistent_grants ? ", persistent grants" : "",
                     options.closes_when_asked ? "" : ", mounted",
                     options.numbers_single_page ? ", ring-ref0" : "",
                     options.one_queue_in_directory ? ", queue-0" : "",
                     options.impatient ? ", impatient" : "");
}

std::string describe(const ErrorPolicy& policy) {
  return fmt::format("{} on no space, {} on an I/O error, for {} s at most",
                     name_of(policy.on_no_space), name_of(policy.on_io_error),
                     policy.pause_limit_seconds);
}

std::string describe(const DiskPlan& plan) {
  return fmt::format(
      "{} {}PATH, mode {}, {} bytes in blocks of {}, clusters of {}, {} bytes of a base, script "
      "'{}', guest {}, device {}, {}{}",
      plan.kind, plan.format, plan.mode, plan.bytes, plan.block_bytes, 1U << plan.cluster_bits,
      plan.base_bytes, plan.script, plan.guest, plan.device, describe(plan.frontend),
      plan.hostile ? ", hostile" : "");
}

std::string describe(const Act& act) {
  return fmt::format("disk {}: {}", act.disk, std::visit(InWords(), act.deed));
}

}  // namespace tapring::sim
