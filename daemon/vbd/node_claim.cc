// SPDX-License-Identifier: MIT
#include "daemon/vbd/node_claim.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <exception>
#include <system_error>
#include <utility>

#include "daemon/vbd/storage_name.h"

namespace tapring {
namespace {

// As long as libxl waits for a backend's state (LIBXL_INIT_TIMEOUT).
constexpr std::chrono::seconds kBlkbackPatience(10);

constexpr std::errc kDenials[] = {
    std::errc::permission_denied,
    std::errc::operation_not_permitted,
    std::errc::read_only_file_system,
    std::errc::no_such_file_or_directory,
    std::errc::not_a_directory,
    std::errc::cross_device_link,
    std::errc::too_many_symbolic_link_levels,
};

/// Why this process may not open an image that xen-blkback could: the sandbox hides it, or its
/// owner or the configuration forbids it. Empty if it may, whatever else is wrong with the image.
std::string why_denied(const DiskOpener& open, const OpenRequest& request) {
  try {
    open(request);
  } catch (const std::system_error& error) {
    const bool denied = std::ranges::any_of(
        kDenials, [&error](std::errc denial) { return error.code() == denial; });
    if (denied) return error.what();
  } catch (const std::exception&) {
    // The disk becomes ours, and is refused for this.
  }
  return {};
}

}  // namespace

std::optional<NodeClaim::Decision> NodeClaim::decide(const VbdState& now) {
  switch (stage_) {
    case Stage::none:
      return begin_claim(now);
    case Stage::examining:
      return std::nullopt;
    case Stage::examined:
      stage_ = Stage::none;
      return finish_claim(now);
  }
  return std::nullopt;
}

bool NodeClaim::blkback_serves() const {
  return is_vbd() && device_.context.blkback.serves(device_.name.sysfs_name());
}

std::optional<NodeClaim::Decision> NodeClaim::begin_claim(const VbdState& now) {
  const Ownership owner = ownership(device_.name.kind, spec_.script, spec_.params);
  if (owner == Ownership::not_ours) {
    return Decision{Owner::other, fmt::format("params '{}' are for the hotplug script {}",
                                              spec_.params, spec_.script)};
  }
  if (blkback_serves() && now.backend >= XenbusState::connected) {
    return leave_to_blkback(now,
                            "xen-blkback had connected it before tapringd saw it: detach it and "
                            "attach it again to have tapringd serve it");
  }
  // A disk that a guest uses already is taken up in any case.
  const bool is_new = now.backend < XenbusState::connected;
  const bool is_plain = owner == Ownership::plain;
  if (is_new && is_plain && device_.context.plain_lines == PlainLines::leave) {
    return leave_to_blkback(now, "the configuration says plain_lines = \"leave\"");
  }
  if (is_new && !device_.context.has_room()) return refuse_no_capacity(now);
  return examine(now, is_plain);
}

NodeClaim::Decision NodeClaim::refuse_no_capacity(const VbdState& now) {
  std::string reason = fmt::format(
      "{} disks are served already, as many as max_disks and LimitNOFILE= of the "
      "service allow: raise them, or detach a disk",
      device_.context.max_disks);
  const bool to_blkback =
      is_vbd() && device_.context.blkback.loaded() && !uses_our_script(spec_.script);
  if (to_blkback) return leave_to_blkback(now, std::move(reason));
  return {Owner::refused, std::move(reason)};
}

std::optional<NodeClaim::Decision> NodeClaim::examine(const VbdState& now, bool plain) {
  DeviceContext& context = device_.context;
  Question question;
  question.plain = plain;
  question.from_blkback = is_vbd() && context.blkback.loaded();
  question.before = now.backend;
  // Wrong params are reported once the disk is ours; those of a plain line are always a path.
  question.request = {parse_disk_spec(spec_.params).value_or(DiskSpec{}), spec_.mode,
                      Purpose::probe, device_.name.sysfs_name()};
  stage_ = Stage::examining;
  try {
    // A copy of the opener, as another configuration may replace it meanwhile.
    device_.tasks.run(
        "look at " + storage_name(spec_.params),
        [question, open = context.open_disk, &blkback = context.blkback] {
          return examine_in_background(question, open, blkback);
        },
        [this](Examination result) {
          examination_ = std::move(result);
          stage_ = Stage::examined;
          examined_();
        });
  } catch (const std::system_error& error) {
    stage_ = Stage::none;
    return Decision{Owner::refused, error.what()};
  }
  return std::nullopt;
}

NodeClaim::Examination NodeClaim::examine_in_background(const Question& question,
                                                        const DiskOpener& open,
                                                        const Blkback& blkback) {
  const auto& [plain, from_blkback, before, request] = question;
  Examination result;
  result.before = before;
  result.plain = plain;
  if (plain && is_block_device(request.spec.path)) {
    result.why_blkbacks = "a block device is the kernel's to serve";
    return result;
  }
  // Tried before the device is unbound. Not for a disk that a guest uses already, which nobody else
  // could serve.
  if (plain && from_blkback && before < XenbusState::connected) {
    result.why_blkbacks = why_denied(open, request);
    result.denied = !result.why_blkbacks.empty();
    if (result.denied) return result;
  }
  if (from_blkback) {
    // The driver takes every new node and then writes state 2; until that is over there is nothing
    // to take back.
    const bool coming = before == XenbusState::initialising;
    result.unbinding = blkback.unbind(request.disk, coming, kBlkbackPatience);
  }
  return result;
}

NodeClaim::Decision NodeClaim::finish_claim(const VbdState& now) {
  const auto& [before, plain, why_blkbacks, denied, unbinding] = examination_;
  if (denied) {
    return leave_to_blkback(now,
                            fmt::format("tapringd may not open it: {}; `tapring adopt {}` takes it "
                                        "once that is changed",
                                        why_blkbacks, device_.log.label()));
  }
  if (!why_blkbacks.empty()) return leave_to_blkback(now, why_blkbacks);
  if (unbinding) {
    std::string reason = fmt::format(
        "taking {} from xen-blkback: {} (let the service write there: "
        "ReadWritePaths=/sys/bus/xen-backend)",
        device_.name.sysfs_name(), unbinding.message());
    if (plain) return leave_to_blkback(now, std::move(reason));
    return {Owner::refused, std::move(reason)};
  }
  if (now.backend == XenbusState::connected && before < XenbusState::connected) {
    give_back();
    return leave_to_blkback(now, "xen-blkback connected it first");
  }
  return {Owner::tapringd, {}};
}

NodeClaim::Decision NodeClaim::leave_to_blkback(const VbdState& now, std::string reason) {
  // A tapringd before us took it from the driver, but did not get to serve it.
  const bool was_taken = is_vbd() && now.backend == XenbusState::init_wait &&
                         device_.context.blkback.loaded() && !blkback_serves();
  if (was_taken) give_back();
  spdlog::info("{}: left to xen-blkback: {}: {}", device_.log.label(), spec_.params, reason);
  return {Owner::blkback, std::move(reason)};
}

void NodeClaim::give_back() {
  const std::string name = device_.name.sysfs_name();
  const auto log = [name](const std::string& error) {
    spdlog::error("{}: giving it back to xen-blkback: {}", name, error);
  };
  try {
    device_.tasks.run(
        "xen-blkback", [&blkback = device_.context.blkback, name] { return blkback.bind(name); },
        [log](Error error) {
          if (error) log(error.message());
        });
  } catch (const std::system_error& error) {
    log(error.what());
  }
}

}  // namespace tapring
