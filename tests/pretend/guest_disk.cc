// SPDX-License-Identifier: MIT
#include "tests/pretend/guest_disk.h"

#include <algorithm>
#include <utility>

#include "daemon/xenstore/xenstore_update.h"
#include "tests/pretend/ring_keys.h"

namespace tapring::pretend {
namespace {

constexpr uint32_t kInfoReadOnly = 4;

}  // namespace

GuestDisk::GuestDisk(GuestWorld& world, sim::DiskName name, GuestDiskOptions options,
                     DiskUser& user)
    : world_(world),
      name_(name),
      options_(std::move(options)),
      user_(user),
      directory_(sim::frontend_directory(name)) {
  world_.store().watch(directory_, "own");
  world_.wait_for("the disk", [&] {
    backend_ = world_.store().read(directory_ + "/backend").value_or("");
    return !backend_.empty();
  });
  backend_domain_ = static_cast<DomainId>(world_.read_number(directory_ + "/backend-id"));
  world_.store().watch(backend_ + "/state", "backend");
}

GuestDisk::~GuestDisk() {
  for (const auto& queue : queues_) world_.forget(queue->port());
  world_.store().unwatch(directory_, "own");
  world_.store().unwatch(backend_ + "/state", "backend");
}

void GuestDisk::connect(const XenstoreKeys& changed) {
  offer(changed);
  wait_for_backend(XenbusStateConnected);
  sectors_ = world_.read_number(backend_ + "/sectors");
  read_only_ = (world_.read_number(backend_ + "/info") & kInfoReadOnly) != 0;
  discards_ = world_.read_number(backend_ + "/feature-discard") == 1;
  set_state(XenbusStateConnected);
}

void GuestDisk::offer(const XenstoreKeys& changed) {
  if (world_.read_number(directory_ + "/state") != XenbusStateInitialising) {
    set_state(XenbusStateInitialising);
  }
  wait_for_backend(XenbusStateInitWait);
  make_queues();
  std::vector<RingKeys> rings;
  for (const auto& queue : queues_) rings.push_back({queue->ring_refs(), queue->port()});
  XenstoreKeys keys = ring_keys(options_.protocol, rings);
  for (const auto& [key, value] : changed) keys[key] = value;
  set_state(XenbusStateInitialised, keys);
}

void GuestDisk::close() {
  set_state(XenbusStateClosing);
  world_.wait_for("the last answers", [this] { return in_flight() == 0; });
  set_state(XenbusStateClosed);
  world_.wait_for("the backend's end", [this] {
    const uint32_t state = backend_state();
    return state == XenbusStateClosed || state == 0;
  });
  release();
}

void GuestDisk::set_state(uint32_t state, XenstoreKeys keys) {
  keys["state"] = std::to_string(state);
  update(world_.store(), directory_, {.key = "state"}, keys);
}

uint32_t GuestDisk::backend_state() {
  return world_.read_number(backend_ + "/state");
}

void GuestDisk::wait_for_backend(uint32_t state) {
  world_.wait_for("the backend's state " + std::to_string(state),
                  [&] { return backend_state() == state; });
}

uint32_t GuestDisk::in_flight() const noexcept {
  uint32_t sum = 0;
  for (const auto& queue : queues_) sum += queue->in_flight();
  return sum;
}

std::vector<std::string> GuestDisk::violations() const {
  std::vector<std::string> all = violations_;
  for (const auto& queue : queues_) {
    all.insert(all.end(), queue->violations().begin(), queue->violations().end());
  }
  return all;
}

void GuestDisk::make_queues() {
  release();
  const uint32_t most_queues =
      std::max(1U, world_.read_number(backend_ + "/multi-queue-max-queues"));
  const uint32_t indirect = world_.read_number(backend_ + "/feature-max-indirect-segments");
  const uint32_t most_segments = std::max<uint32_t>(sim::kGuestSegments, indirect);
  GuestQueue::Options options;
  options.abi = options_.protocol == "x86_32-abi" ? Abi::x86_32 : Abi::x86_64;
  options.ring_order =
      std::min(options_.ring_order, world_.read_number(backend_ + "/max-ring-page-order"));
  options.depth = options_.depth;
  options.most_segments = std::min(options_.segments, most_segments);
  for (uint32_t i = 0; i < std::min(options_.queues, most_queues); ++i) {
    queues_.push_back(std::make_unique<GuestQueue>(
        world_.machine(), world_.events(), name_.domain, backend_domain_, options,
        [this, i](uint32_t slot, int16_t status) { user_.answered(*queues_[i], slot, status); }));
    world_.on_event(queues_[i]->port(), [this, queue = queues_[i].get()] {
      queue->event();
      user_.answered_all(*queue);
    });
  }
}

void GuestDisk::release() {
  for (const auto& queue : queues_) {
    const auto& found = queue->violations();
    violations_.insert(violations_.end(), found.begin(), found.end());
    world_.forget(queue->port());
    if (!queue->release()) violations_.push_back("closed, but the ring is still mapped");
  }
  queues_.clear();
}

}  // namespace tapring::pretend
