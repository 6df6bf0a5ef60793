// SPDX-License-Identifier: MIT
#include "daemon/vbd/device.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "daemon/datapath/journal_store.h"
#include "daemon/vbd/device_status.h"

namespace tapring {
namespace {

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
      tasks_(context.control, context.background, context.timer,
             [this] { return weak_from_this().lock(); }),
      log_(context.log_limit, name.domain),
      scope_{context_, name_, node_, tasks_, log_},
      spec_(scope_, [this] { advance(); }),
      identity_{name_, spec_.spec(), disk_spec_},
      claim_(scope_, spec_.spec(), [this] { go_on(); }),
      image_(scope_, identity_, image_callbacks()),
      pause_(scope_),
      faults_(scope_),
      connection_(scope_, identity_, image_, pause_, faults_, connection_callbacks()),
      handover_(scope_, identity_, image_, connection_, handover_callbacks()),
      refusal_(scope_, spec_.spec(), [this] { try_again(); }) {}

ImageOpener::Callbacks Device::image_callbacks() {
  return {.checked =
              [this] {
                refusal_.accept();
                proceed();
              },
          .opened = [this] { proceed(); },
          .failed = [this](const std::string& reason) { refuse(reason); },
          .released = [this] { go_on(); },
          .given_up_ended = [this] { advance(); },
          .twin = [this] { return twin(); },
          .lock_conflict = [this](const FileInUse& in_use) { return lock_conflict(in_use); }};
}

Connection::Callbacks Device::connection_callbacks() {
  return {.connected = [this] { on_connected(); },
          .failed = [this](const std::string& error) { on_connect_failed(error); },
          .ended = [this] { on_disk_ended(); }};
}

BlkbackHandover::Callbacks Device::handover_callbacks() {
  return {.connect_again = [this] { advance(); },
          .taken =
              [this] {
                owner_ = Owner::tapringd;
                go_on();
              },
          .given = [this](const std::string& reason) { on_given(reason); },
          .failed = [this] { go_on(); }};
}

bool Device::load_spec() {
  if (node_removed_ || shutting_down_) return false;
  // Whose a node of others is may change with its keys.
  return (spec_.is_known() && owner_ != Owner::other) || read_spec();
}

void Device::advance() {
  if (!load_spec()) return;
  const VbdState before = std::exchange(last_, node_.read_state(spec_.spec()));
  if (last_ != before) {
    log_(spdlog::level::debug, "states: backend {}, frontend {}", fmt::underlying(last_.backend),
         fmt::underlying(last_.frontend));
  }
  proceed();
}

/// After something of ours has ended.
void Device::go_on() {
  node_removed_ ? on_node_removed() : advance();
}

/// Does what follows from the states that were read last.
void Device::proceed() {
  if (node_removed_ || shutting_down_) return;
  if (store_lost_) {
    if (last_.backend == XenbusState::missing || last_.frontend == XenbusState::missing) return;
    store_lost_ = false;
    reason_.clear();
  }
  if (last_.backend == XenbusState::missing || is_recreated()) return on_node_removed();
  spec_.refresh(!connection_.is_closed());
  pause_.refresh_policy();
  refusal_.publish_status();
  if (is_busy()) return;
  switch (owner_) {
    case Owner::unknown:
      return claim();
    case Owner::refused:
      return handle_refused();
    case Owner::tapringd:
      return step();
    case Owner::blkback:
      return handover_.proceed(last_);
    case Owner::other:
      return;
  }
}

/// Something is under way that goes on by itself.
bool Device::is_busy() const noexcept {
  return connection_.is_connecting() || connection_.is_ending() || image_.is_releasing() ||
         image_.is_dropping_witnesses() || handover_.is_moving();
}

/// The toolstack removed the node and made it again, for another disk, before we looked: only it
/// writes state 1, and nobody moves a node on from our state 6 but us.
bool Device::is_recreated() const {
  if (node_.written() == XenbusState::closed) return last_.backend != XenbusState::closed;
  return node_.written() != XenbusState::missing && last_.backend == XenbusState::initialising;
}

void Device::on_node_removed() {
  node_removed_ = true;
  if (connection_.is_connected()) return connection_.end(Disk::Ending::abandon);
  if (!image_.is_closed()) return image_.release();
  if (!is_gone() || !image_.drop_witnesses()) return;
  context_.journals.remove(name_.sysfs_name());
  // Work in the background may hold this for a while, and the next device of the name watches too.
  spec_.stop_watching();
  context_.gone(name_);
}

bool Device::read_spec() {
  const SpecReader::Found found = spec_.read();
  switch (found) {
    case SpecReader::Found::nothing:
      on_node_removed();
      break;
    case SpecReader::Found::incomplete:
      await_key();
      break;
    case SpecReader::Found::invalid:
      if (owner_ != Owner::other) spdlog::error("{}: {}", node_.path(), spec_.obstacle());
      owner_ = Owner::other;
      reason_ = spec_.obstacle();
      break;
    case SpecReader::Found::complete:
      owner_ = Owner::unknown;
      reason_.clear();
      break;
  }
  return found == SpecReader::Found::complete;
}

/// The node is not complete. Whoever takes it away again waits for our state 6 all the same, unless
/// it is the kernel's.
void Device::await_key() {
  owner_ = Owner::unknown;
  reason_ = fmt::format("the toolstack has not written {}/{} yet", node_.path(), spec_.obstacle());
  if (!blkback_serves() && node_.is_detached()) {
    node_.write_state(XenbusState::closing, XenbusState::closed);
  }
}

bool Device::blkback_serves() const {
  return name_.kind == "vbd" && context_.blkback.serves(name_.sysfs_name());
}

/// After a write of our state, unless nothing was `written`. It need not be read again: who writes
/// another causes an event.
bool Device::moved(bool written) {
  if (written) {
    last_.backend = node_.written();
    log_(spdlog::level::debug, "state {} written", fmt::underlying(last_.backend));
  }
  return written;
}

void Device::claim() {
  owner_ = Owner::unknown;
  if (const auto decision = claim_.decide(last_)) follow(*decision);
}

void Device::follow(const NodeClaim::Decision& decision) {
  if (decision.owner == Owner::refused) return refuse(decision.reason);
  owner_ = decision.owner;
  if (owner_ != Owner::tapringd) {
    reason_ = decision.reason;
    return;
  }
  const auto parsed = parse_disk_spec(spec_.spec().params);
  if (!parsed) return refuse(parsed.error());
  disk_spec_ = *parsed;
  proceed();
}

/// What follows from the two states, for a node that is ours and with nothing under way.
void Device::step() {
  if (must_close()) return close();
  if (last_.frontend == XenbusState::closing && last_.backend < XenbusState::closing) {
    // Served on: a frontend may say 5 with a mounted filesystem and writes to come.
    moved(node_.write_state(last_.backend, XenbusState::closing));
    return;
  }
  const bool is_connected = connection_.is_connected();
  switch (last_.backend) {
    case XenbusState::initialising:
      return begin();
    case XenbusState::init_wait:
    case XenbusState::initialised:
      if (is_connected) return announce();  // xenstore refused it before
      return image_.is_checked() ? connect() : image_.check(is_resumed());
    case XenbusState::connected:
      if (!is_connected) return connect();  // left by a tapringd that was here before
      return connection_.is_announced() ? void() : announce();  // likewise refused
    case XenbusState::closing:
      if (is_connected) return connection_.serve();
      // Likewise left; a frontend that has not closed is served on.
      return node_.was_served() ? connect() : void();
    case XenbusState::closed:
      if (last_.frontend == XenbusState::initialising && node_.online()) begin();
      return;
    default:
      return;
  }
}

bool Device::must_close() const {
  if (frontend_dead_ || last_.frontend == XenbusState::missing) return true;
  if (last_.frontend == XenbusState::closed) return true;
  return last_.backend == XenbusState::closing && !is_active(last_.frontend) && !node_.online();
}

void Device::close() {
  // What the guest will have next are rings of its own with us.
  if (handover_.is_to_us()) handover_.fail("not taken: its guest closed it");
  if (connection_.is_connected()) return connection_.end(Disk::Ending::abandon);
  if (!image_.is_closed()) return image_.release();
  if (last_.backend == XenbusState::closed || !image_.drop_witnesses()) return;
  if (moved(node_.write_state(last_.backend, XenbusState::closed))) {
    context_.journals.remove(name_.sysfs_name());
    log_(spdlog::level::info, "closed");
  }
}

void Device::begin() {
  if (image_.was_given_up()) return;  // its end will advance()
  reason_.clear();
  handover_.forget_failure();
  refusal_.begin();
  image_.forget_check();
  if (moved(node_.offer(last_.backend, context_.offer))) image_.check(is_resumed());
}

bool Device::hotplug_done() {
  const std::string& script = spec_.spec().script;
  if (script.empty() || name_.kind == "qdisk") return true;
  const std::string status = node_.hotplug_status();
  if (status == "error") {
    refuse(fmt::format("the hotplug script {} failed: {}", script, node_.hotplug_error()));
  }
  return status == "connected";
}

void Device::connect() {
  if (!has_rings(last_.frontend)) return;
  if (!image_.is_open() && !image_.is_closed()) return;
  // Before the script is done, state 4 makes the stock script take its vbd for removed.
  if (!hotplug_done()) return;
  if (!image_.is_open()) return image_.open(is_resumed());
  if (blkback_serves()) {
    return refuse("xen-blkback took the device back: load it before tapringd starts, not after");
  }
  const bool is_new = last_.backend < XenbusState::connected;
  const Predecessor before = is_new                 ? Predecessor::none
                             : handover_.is_to_us() ? Predecessor::blkback
                                                    : Predecessor::tapringd;
  const std::string error = connection_.connect(before);
  if (error.empty()) return;
  refuse(error + "; reload the driver in the guest, or detach the disk");
}

void Device::on_connect_failed(const std::string& error) {
  if (node_removed_) return on_node_removed();
  if (image_.lost_twin()) return advance();
  return handover_.is_to_us() ? handover_.connect_failed(error) : refuse(error);
}

void Device::on_connected() {
  refusal_.forget_attempt();
  handover_.connected();
  if (shutting_down_) return connection_.end(Disk::Ending::drain);
  if (node_removed_) return connection_.end(Disk::Ending::abandon);
  const bool wanted = last_.backend != XenbusState::missing && last_.backend < XenbusState::closing;
  if (wanted) announce();
  return connection_.is_announced() ? proceed() : advance();
}

/// Where xenstore fails, the next event tries again.
void Device::announce() {
  if (moved(connection_.announce(last_.backend))) reason_.clear();
}

void Device::on_disk_ended() {
  if (shutting_down_) {
    if (connection_.disk()->left_in_order()) node_.mark_drained();
    return;
  }
  if (node_removed_) return on_node_removed();
  return handover_.is_to_blkback() ? handover_.disk_ended() : advance();
}

void Device::frontend_died() {
  if (store_lost_) return;  // an emptied xenstore knows no domain
  frontend_dead_ = true;
  advance();
}

bool Device::survive_store_loss() {
  store_lost_ = connection_.is_connected();
  if (store_lost_) {
    reason_ = "xenstore has lost what was in it: the disk is served on until tapringd ends";
  }
  return store_lost_;
}

void Device::shut_down() {
  shutting_down_ = true;
  if (connection_.is_connected()) return connection_.end(Disk::Ending::drain);
  image_.abandon();
}

bool Device::uses(const FileId& file) const {
  if (connection_.is_closed() && !image_.has_files_open()) return false;
  return std::ranges::find(image_.facts().files, file) != image_.facts().files.end();
}

std::optional<Twin> Device::twin() const {
  const Device* twin = context_.twin_of(*this);
  if (twin == nullptr) return std::nullopt;
  const Connection& connection = twin->connection_;
  const ImageOpener& image = twin->image_;
  return Twin{twin->log_.label(),
              connection.is_connecting() || image.is_opening() || image.is_open(),
              connection.is_connected() ? connection.disk() : nullptr, image.facts()};
}

LockConflict Device::lock_conflict(const FileInUse& in_use) const {
  const Device* other = context_.user_of(in_use.file(), *this);
  if (other == nullptr) {
    return {describe(in_use.holders(), in_use.path()), !in_use.holders().on_this_host};
  }
  // What a twin may not share, or has by another path, stays with it as long as it is connected.
  const bool is_migrating = identity_.is_of_same_machine(other->identity_)
                                ? !other->connection_.is_connected()
                                : identity_.is_migrating_with(other->identity_);
  return {fmt::format("disk {} of this tapringd", other->log_.label()), is_migrating};
}

void Device::refuse(const std::string& reason) {
  if (handover_.is_to_us()) return handover_.cannot_take(reason);
  owner_ = Owner::refused;
  if (refusal_.refuse(reason, reason_)) reason_ = reason;
  if (image_.is_open()) image_.release();
  advance();
}

void Device::handle_refused() {
  switch (refusal_.handle(last_, must_close())) {
    case Refusal::Answer::wait:
      return;
    case Refusal::Answer::claim_again:
      return claim();
    case Refusal::Answer::offer:
      moved(node_.offer(last_.backend, context_.offer));
      return;
    case Refusal::Answer::close:
      if (image_.drop_witnesses()) moved(node_.write_state(last_.backend, XenbusState::closed));
      return;
  }
}

void Device::try_again() {
  const bool waits = owner_ == Owner::refused && last_.backend == XenbusState::connected;
  if (!waits || !idle()) return refusal_.forget_attempt();
  owner_ = Owner::unknown;
  advance();
}

std::string Device::adopt() {
  if (owner_ == Owner::tapringd) return "it is tapringd's already";
  if (owner_ != Owner::blkback || handover_.is_under_way()) return "it is not xen-blkback's";
  last_ = node_.read_state(spec_.spec());
  if (last_.backend != XenbusState::connected) return "xen-blkback has not connected it";
  const auto parsed = parse_disk_spec(spec_.spec().params);
  if (!parsed) return parsed.error();
  if (!blkback_serves()) return "xen-blkback does not serve it";
  disk_spec_ = *parsed;
  reason_.clear();
  handover_.take();
  return {};
}

std::string Device::release() {
  const bool is_served = connection_.is_connected() && last_.backend == XenbusState::connected;
  return is_served ? handover_.give() : "it is not connected";
}

void Device::on_given(const std::string& reason) {
  owner_ = Owner::blkback;
  if (node_removed_) return on_node_removed();
  reason_ = reason;
  node_.end_service();
  context_.journals.remove(name_.sysfs_name());
  image_.drop_witnesses();
}

DiskReport Device::report() const {
  return DeviceStatus{identity_, log_.label(), owner_, last_,   frontend_dead_, reason_,
                      image_,    connection_,  pause_, faults_, handover_}
      .report();
}

}  // namespace tapring
