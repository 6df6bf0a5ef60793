// SPDX-License-Identifier: MIT
// Whose a node of kind vbd is: ours, or that of xen-blkback, which takes each new one. Where both
// could serve a disk, the kernel keeps what we may not open: it worked before we came.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <exception>
#include <system_error>
#include <utility>

#include "daemon/vbd/device.h"
#include "daemon/vbd/storage_name.h"

namespace tapring {
namespace {

// As long as libxl waits for a backend's state (LIBXL_INIT_TIMEOUT).
constexpr std::chrono::seconds kBlkbackPatience(10);

constexpr std::errc kDenials[] = {
    std::errc::permission_denied,         std::errc::operation_not_permitted,
    std::errc::read_only_file_system,     std::errc::no_such_file_or_directory,
    std::errc::not_a_directory,           std::errc::cross_device_link,
    std::errc::too_many_symbolic_link_levels,
};

/// Why this process may not open an image that others may: the sandbox hides it, its owner or the
/// configuration forbids it. Empty if that is not so, whatever else is wrong with the image.
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

void Device::claim(const VbdState& now) {
  const Ownership owner = ownership(name_.kind, spec_.script, spec_.params);
  if (owner == Ownership::not_ours) {
    claim_ = Claim::others;
    reason_ = fmt::format("params '{}' are for the hotplug script {}", spec_.params, spec_.script);
    return;
  }
  const bool kernel_serves = name_.kind == "vbd" && context_.blkback.serves(name_.sysfs_name());
  if (kernel_serves && now.backend >= XenbusState::connected) {
    return leave_to_kernel(
        "xen-blkback had connected it before tapringd saw it: detach it and "
        "attach it again to have tapringd serve it");
  }
  // A disk that a guest uses already is taken up in any case.
  const bool is_new = now.backend < XenbusState::connected;
  const bool is_plain = owner == Ownership::plain;
  if (is_new && is_plain && context_.plain_lines == PlainLines::leave) {
    return leave_to_kernel("the configuration says plain_lines = \"leave\"");
  }
  if (is_new && !context_.has_room()) return have_no_room();
  examine(now, is_plain);
}

void Device::have_no_room() {
  const std::string reason = fmt::format(
      "{} disks are served already, as many as max_disks and LimitNOFILE= of the "
      "service allow: raise them, or detach a disk",
      context_.max_disks);
  const bool to_blkback =
      name_.kind == "vbd" && context_.blkback.loaded() && !uses_our_script(spec_.script);
  return to_blkback ? leave_to_kernel(reason) : refuse(reason);
}

void Device::examine(const VbdState& now, bool plain) {
  Question question;
  question.plain = plain;
  question.from_blkback = name_.kind == "vbd" && context_.blkback.loaded();
  question.before = now.backend;
  // Wrong params are reported once the disk is ours; those of a plain line are always a path.
  question.request = {parse_disk_spec(spec_.params).value_or(DiskSpec{}), spec_.mode,
                      Purpose::checking, name_.sysfs_name()};
  claim_ = Claim::examining;
  // A copy of the opener, as another configuration may replace it meanwhile.
  run_in_background("look at " + storage_name(spec_.params), [self = shared_from_this(), question,
                                                              open = context_.open_disk,
                                                              &context = context_]() mutable {
    Examination result = examine_aside(question, open, context.blkback);
    context.control.post([self = std::move(self), result = std::move(result)] {
      self->examined(result);
    });
  });
}

Device::Examination Device::examine_aside(const Question& question, const DiskOpener& open,
                                          const Blkback& blkback) {
  const auto& [plain, from_blkback, before, request] = question;
  Examination result;
  result.before = before;
  result.plain = plain;
  if (plain && is_block_device(request.spec.path)) {
    result.why_kernels = "a block device is the kernel's to serve";
    return result;
  }
  // Before the kernel loses it. A disk that a guest uses already has nobody but us.
  if (plain && from_blkback && before < XenbusState::connected) {
    result.why_kernels = why_denied(open, request);
    result.denied = !result.why_kernels.empty();
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

void Device::examined(const Examination& result) {
  examination_ = result;
  claim_ = Claim::examined;
  return gone_ ? vanish() : advance();
}

void Device::settle_claim() {
  const auto& [before, plain, why_kernels, denied, unbinding] = examination_;
  if (denied) {
    return leave_to_kernel(fmt::format("tapringd may not open it: {}; `tapring adopt {}` takes it "
                                       "once that is changed",
                                       why_kernels, label()));
  }
  if (!why_kernels.empty()) return leave_to_kernel(why_kernels);
  if (unbinding) {
    const std::string reason =
        fmt::format("taking {} from xen-blkback: {} (let the service write there: "
                    "ReadWritePaths=/sys/bus/xen-backend)",
                    name_.sysfs_name(), unbinding.message());
    if (plain) return leave_to_kernel(reason);
    claim_ = Claim::ours;
    return refuse(reason);
  }
  claim_ = Claim::ours;
  if (last_.backend == XenbusState::connected && before < XenbusState::connected) {
    give_back();
    return leave_to_kernel("xen-blkback connected it first");
  }
  const auto parsed = parse_disk_spec(spec_.params);
  if (!parsed) return refuse(parsed.error());
  disk_spec_ = *parsed;
  proceed();
}

void Device::leave_to_kernel(std::string reason) {
  // A tapringd before us took it from the driver, but did not get to serve it.
  const bool was_taken = name_.kind == "vbd" && last_.backend == XenbusState::init_wait &&
                         context_.blkback.loaded() && !context_.blkback.serves(name_.sysfs_name());
  if (was_taken) give_back();
  claim_ = Claim::kernels;
  reason_ = std::move(reason);
  spdlog::info("{}: left to xen-blkback: {}: {}", label(), spec_.params, reason_);
}

void Device::give_back() {
  run_in_background(kBlkbackLine, [name = name_.sysfs_name(), &blkback = context_.blkback] {
    const Error error = blkback.bind(name);
    if (error) spdlog::error("{}: giving it back to xen-blkback: {}", name, error.message());
  });
}

}  // namespace tapring
