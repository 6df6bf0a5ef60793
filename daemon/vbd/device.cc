// SPDX-License-Identifier: MIT
#include "daemon/vbd/device.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <cerrno>
#include <utility>

#include "daemon/vbd/connection_id.h"

namespace tapring {
namespace {

// Of a disk that waits in state 4 for somebody who serves it.
constexpr std::chrono::seconds kPauseBeforeTryingAgain(10);

// Of a toolstack that writes keys one by one.
constexpr std::chrono::seconds kScriptPatience(1);

bool has_rings(XenbusState frontend) {
  return frontend >= XenbusState::initialised && frontend <= XenbusState::closing;
}

/// The frontend is between its first step and its last one, and will say when it is done.
bool is_active(XenbusState frontend) {
  return frontend >= XenbusState::init_wait && frontend <= XenbusState::closing;
}

}  // namespace

Device::Device(DeviceContext& context, const VbdName& name)
    : context_(context),
      name_(name),
      node_(context.store, context.backend_domain, name),
      policy_(context.errors) {}

Device::~Device() {
  stop_watching();
  context_.log_limit.forget(label());
}

void Device::stop_watching() {
  if (std::exchange(watching_, false)) {
    context_.store.unwatch(spec_.frontend + "/state", node_.path());
  }
}

bool Device::learn_spec() {
  if (gone_ || shutting_down_) return false;
  // Whose a node of others is may change with its keys.
  return (spec_known_ && claim_ != Claim::others) || read_spec();
}

void Device::advance() {
  if (!learn_spec()) return;
  const VbdState before = std::exchange(last_, node_.read_state(spec_));
  if (last_ != before) {
    log(spdlog::level::debug, "states: backend {}, frontend {}", fmt::underlying(last_.backend),
        fmt::underlying(last_.frontend));
  }
  proceed();
}

/// Does what follows from the states that were read last.
void Device::proceed() {
  if (gone_ || shutting_down_) return;
  if (outlives_node_) {
    if (last_.backend == XenbusState::missing || last_.frontend == XenbusState::missing) return;
    outlives_node_ = false;
    reason_.clear();
  }
  if (last_.backend == XenbusState::missing || is_another_life(last_)) return vanish();
  if (spec_moved_) read_spec_again();
  if (policy_moved_) read_policy();
  tell_verdict();
  if (link_ == Link::connecting || link_ == Link::ending || letting_go_) return;
  if (image_stage_ == ImageStage::unwanted || image_stage_ == ImageStage::releasing) return;
  switch (claim_) {
    case Claim::unknown:
      return claim(last_);
    case Claim::examined:
      return settle_claim();
    case Claim::refused:
      return stay_refused(last_);
    case Claim::ours:
      return step(last_);
    case Claim::kernels:
      if (last_.backend >= XenbusState::connected) pages_returned_.reset();
      return handover_ == Handover::to_us ? take_from_kernel() : void();
    case Claim::examining:
    case Claim::others:
      return;
  }
}

/// The toolstack removed the node and made it again, for another disk, before we looked: only it
/// writes state 1, and nobody moves a node on from our state 6 but us.
bool Device::is_another_life(const VbdState& now) const {
  if (node_.written() == XenbusState::closed) return now.backend != XenbusState::closed;
  return node_.written() != XenbusState::missing && now.backend == XenbusState::initialising;
}

void Device::vanish() {
  gone_ = true;
  if (link_ == Link::connected) return end_disk(Disk::Ending::abandon);
  if (image_stage_ != ImageStage::none) return release_image();
  if (!finished() || !let_witnesses_go()) return;
  context_.journals.remove(name_.sysfs_name());
  // Work in the background may hold this for a while, and the next device of the name watches too.
  stop_watching();
  context_.finished(name_);
}

bool Device::read_spec() {
  const auto frontend = node_.read_frontend();
  if (!frontend) {
    vanish();
    return false;
  }
  if (const std::string key = node_.missing_key(); !key.empty()) {
    await_key(key);
    return false;
  }
  if (awaits_script()) {
    await_key("script");
    return false;
  }
  if (!*frontend) {
    if (claim_ != Claim::others) spdlog::error("{}: {}", node_.path(), frontend->error());
    claim_ = Claim::others;
    reason_ = frontend->error();
    return false;
  }
  if (!spec_known_ || spec_.frontend != **frontend) {
    stop_watching();  // where xenstore failed the last time, after that
    spec_.frontend = **frontend;
    // Early: the event by which a watch begins is there when all is read, and needs no second look.
    context_.store.watch(spec_.frontend + "/state", node_.path());
    watching_ = true;
  }
  spec_ = node_.read_spec(**frontend);
  spec_known_ = true;  // not before: where xenstore refuses anything, the next event tries again
  claim_ = Claim::unknown;
  reason_.clear();
  log(spdlog::level::debug, "found as {}: params '{}', mode {}, script '{}'", node_.path(),
      spec_.params, spec_.mode, spec_.script);
  return true;
}

/// What a disk is to be may still change while nobody has it, but for its image: that is open, or
/// looked at.
void Device::read_spec_again() {
  spec_moved_ = false;
  if (link_ != Link::none) return;
  VbdSpec spec = node_.read_spec(spec_.frontend);
  spec.params = std::move(spec_.params);
  spec.mode = std::move(spec_.mode);
  spec_ = std::move(spec);
}

/// Without a script nobody is waited for, so one that is still to come would find a disk that is
/// connected, and take it for one that is being removed.
bool Device::awaits_script() {
  if (script_given_up_ || !node_.may_get_script()) return false;
  if (std::exchange(script_awaited_, true)) return true;
  context_.timer.after(kScriptPatience, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->context_.control.post([self] {
      self->script_given_up_ = true;
      self->advance();
    });
  });
  return true;
}

/// The node is not complete. Whoever takes it away again waits for our state 6 all the same, unless
/// it is the kernel's.
void Device::await_key(const std::string& key) {
  claim_ = Claim::unknown;
  reason_ = fmt::format("the toolstack has not written {}/{} yet", node_.path(), key);
  const bool kernel_serves = name_.kind == "vbd" && context_.blkback.serves(name_.sysfs_name());
  if (!kernel_serves && node_.is_detached()) {
    node_.write_state(XenbusState::closing, XenbusState::closed);
  }
}

/// After a write of our state, unless nothing was `written`. It need not be read again: who writes
/// another causes an event.
bool Device::moved(bool written) {
  if (written) {
    last_.backend = node_.written();
    log(spdlog::level::debug, "state {} written", fmt::underlying(last_.backend));
  }
  return written;
}

void Device::run_in_background(const std::string& line, Work work, std::size_t most) {
  try {
    context_.background.run_few(most, line, std::move(work));
  } catch (const std::system_error& error) {
    refuse(error.what());
  }
}

/// What follows from the two states, for a node that is ours and with nothing under way.
void Device::step(const VbdState& now) {
  if (must_close(now)) return close(now);
  if (now.frontend == XenbusState::closing && now.backend < XenbusState::closing) {
    // Served on: a frontend may say 5 with a mounted filesystem and writes to come.
    moved(node_.write_state(now.backend, XenbusState::closing));
    return;
  }
  switch (now.backend) {
    case XenbusState::initialising:
      return begin(now);
    case XenbusState::init_wait:
    case XenbusState::initialised:
      if (link_ == Link::connected) return void(tell_connected());  // xenstore refused it
      return image_checked_ ? connect(now) : check_image();
    case XenbusState::connected:
      if (link_ == Link::connected) return told_ ? void() : void(tell_connected());  // likewise
      return connect(now);  // left by a tapringd that was here before
    case XenbusState::closing:
      if (link_ == Link::connected) return serve();
      if (!node_.was_served()) return;
      return connect(now);  // likewise; a frontend that has not closed is served on
    case XenbusState::closed:
      if (now.frontend == XenbusState::initialising && node_.online()) begin(now);
      return;
    default:
      return;
  }
}

bool Device::must_close(const VbdState& now) const {
  if (frontend_dead_ || now.frontend == XenbusState::missing) return true;
  if (now.frontend == XenbusState::closed) return true;
  return now.backend == XenbusState::closing && !is_active(now.frontend) && !node_.online();
}

void Device::close(const VbdState& now) {
  // What the guest will have next are rings of its own with us.
  if (handover_ == Handover::to_us) fail_handover("not taken: its guest closed it");
  if (link_ == Link::connected) return end_disk(Disk::Ending::abandon);
  if (image_stage_ != ImageStage::none) return release_image();
  if (now.backend == XenbusState::closed || !let_witnesses_go()) return;
  if (moved(node_.write_state(now.backend, XenbusState::closed))) {
    context_.journals.remove(name_.sysfs_name());
    log(spdlog::level::info, "closed");
  }
}

/// Nothing is held; the toolstack and the frontend still get their answers.
void Device::stay_refused(const VbdState& now) {
  if (now.frontend != XenbusState::initialising) frontend_moved_ = true;
  if (now.backend == XenbusState::closed) {
    const bool again =
        now.frontend == XenbusState::initialising && frontend_moved_ && node_.online();
    return again ? claim(now) : void();
  }
  if (!must_close(now)) {
    // libxl runs the hotplug script when it has seen state 2, and gets the reason from it.
    if (now.backend == XenbusState::initialising) {
      moved(node_.offer(now.backend, context_.offer));
      return;
    }
    if (now.backend == XenbusState::init_wait && uses_our_script(spec_.script) &&
        node_.hotplug_status().empty()) {
      return;
    }
    // Somebody before us connected it, and its guest waits: what is the matter may pass.
    if (now.backend == XenbusState::connected) return try_again_later();
  }
  if (let_witnesses_go()) moved(node_.write_state(now.backend, XenbusState::closed));
}

void Device::try_again_later() {
  if (std::exchange(will_try_again_, true)) return;
  context_.timer.after(kPauseBeforeTryingAgain, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self) self->context_.control.post([self] { self->try_again(); });
  });
}

void Device::try_again() {
  will_try_again_ = false;
  if (claim_ != Claim::refused || last_.backend != XenbusState::connected || !idle()) return;
  tried_again_ = true;
  claim_ = Claim::unknown;
  advance();
}

void Device::begin(const VbdState& now) {
  if (opening_given_up_) return;  // its end will advance()
  reason_.clear();
  handover_failure_.clear();
  frontend_moved_ = false;
  image_checked_ = false;
  if (moved(node_.offer(now.backend, context_.offer))) check_image();
}

bool Device::hotplug_done() {
  if (spec_.script.empty() || name_.kind == "qdisk") return true;
  const std::string status = node_.hotplug_status();
  if (status == "error") {
    refuse(fmt::format("the hotplug script {} failed: {}", spec_.script, node_.hotplug_error()));
  }
  return status == "connected";
}

void Device::connect(const VbdState& now) {
  if (!has_rings(now.frontend)) return;
  if (image_stage_ != ImageStage::open && image_stage_ != ImageStage::none) return;
  // Before the script is done, state 4 makes the stock script take its vbd for removed.
  if (!hotplug_done()) return;
  if (image_stage_ == ImageStage::none) return open_image();
  if (name_.kind == "vbd" && context_.blkback.serves(name_.sysfs_name())) {
    return refuse("xen-blkback took the device back: load it before tapringd starts, not after");
  }
  RingOffer offer = node_.read_offer();
  offered_ = {context_.offer.max_indirect_segments, context_.offer.max_persistent_grants > 0};
  // The guest of a disk that is taken up goes by what it was told.
  if (now.backend >= XenbusState::connected) offered_ = node_.read_connection_offer();
  offer.persistent_grants = offered_.persistent_grants;
  auto rings = negotiate(node_.frontend_keys(spec_), offer);
  if (!rings) {
    return refuse(rings.error() + "; reload the driver in the guest, or detach the disk");
  }
  rings_ = std::move(*rings);
  origin_ = ring_origin(now.backend >= XenbusState::connected);
  attach({label(), name_.domain, geometry_, rings_, origin_, name_.sysfs_name(), &context_.journals,
          context_.offer.max_persistent_grants, offered_.max_indirect_segments,
          &context_.log_limit, make_pause(), make_faults()});
}

/// `again`: somebody served the rings before.
RingOrigin Device::ring_origin(bool again) const {
  if (!again) return {make_connection_id(), RingHistory::fresh};
  if (handover_ == Handover::to_us) return {make_connection_id(), RingHistory::drained};
  const auto known = parse_connection_id(node_.connection());
  return {known ? *known : make_connection_id(),
          node_.drained() ? RingHistory::drained : RingHistory::unknown};
}

void Device::frontend_died() {
  if (outlives_node_) return;  // an emptied xenstore knows no domain
  frontend_dead_ = true;
  advance();
}

bool Device::outlive_node() {
  outlives_node_ = link_ == Link::connected;
  if (outlives_node_) {
    reason_ = "xenstore has lost what was in it: the disk is served on until tapringd ends";
  }
  return outlives_node_;
}

void Device::shut_down() {
  shutting_down_ = true;
  ++open_attempt_;
  if (link_ == Link::connected) return end_disk(Disk::Ending::drain);
  image_stage_ = ImageStage::none;
  locked_by_.clear();
  shared_.reset();
  if (!images_.empty()) close_in_background(std::move(images_), [] {});
}

void Device::refuse(const std::string& reason) {
  if (handover_ == Handover::to_us) return stay_with_kernel(reason);
  if (handover_ == Handover::to_kernel) return keep_from_kernel(reason);
  claim_ = Claim::refused;
  if (image_stage_ == ImageStage::opening) image_stage_ = ImageStage::none;
  locked_by_.clear();
  frontend_moved_ = false;
  const bool is_told = std::exchange(tried_again_, false) && reason == reason_;
  if (!is_told) {
    reason_ = reason;
    log(spdlog::level::err, "refused: {} (params '{}')", reason, spec_.params);
    verdict_ = "refused: " + reason;
  }
  if (image_stage_ == ImageStage::open) release_image();
  advance();
}

/// For the hotplug script. Told again where xenstore was lost over it.
void Device::tell_verdict() {
  const std::string verdict = std::exchange(verdict_, {});
  if (verdict.empty()) return;
  try {
    node_.write_verdict(verdict);
  } catch (const XenstoreLost&) {
    verdict_ = verdict;
    throw;
  }
}

std::string Device::label() const {
  return fmt::format("{}/{}", name_.domain, spec_.vdev);
}

}  // namespace tapring
