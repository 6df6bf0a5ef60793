// SPDX-License-Identifier: MIT
#include "tests/pretend/stream_disk.h"

#include <xen/io/xenbus.h>

#include <stdexcept>
#include <utility>

#include "daemon/xenstore/xenstore_update.h"
#include "tests/sim/guest_abi.h"

namespace tapring::pretend {
StreamDisk::StreamDisk(GuestWorld& world, Toolstack& toolstack, StreamMemory& memory,
                       Events& events, sim::DiskLine line, const StreamWork& work)
    : world_(world),
      toolstack_(toolstack),
      memory_(memory),
      events_(events),
      line_(std::move(line)),
      work_(work),
      backend_(sim::backend_directory(line_)),
      frontend_(sim::frontend_directory(line_.name)) {}

void StreamDisk::begin_attach() {
  step_ = Step::attaching;
  toolstack_.begin_attach(line_);
  world_.store().watch(backend_ + "/state", token());
  world_.store().watch(backend_ + "/tapring-status", token());
}

void StreamDisk::look() {
  if (in_script_) end_script();
  if (step_ == Step::connected) return;
  const uint32_t state = world_.read_number(backend_ + "/state");
  if (step_ == Step::attaching && state == XenbusStateInitWait) offer();
  if (step_ == Step::offered && state == XenbusStateConnected) connect();
}

void StreamDisk::end_script() {
  const auto verdict = world_.store().read(backend_ + "/tapring-status");
  if (!verdict) return;
  if (*verdict != "ready") throw std::runtime_error(*verdict);
  in_script_ = false;
  world_.store().unwatch(backend_ + "/tapring-status", token());
  toolstack_.end_script(line_);
}

void StreamDisk::offer() {
  const auto most = [this](const char* key) { return world_.read_number(backend_ + '/' + key); };
  const bool enough = most("multi-queue-max-queues") >= work_.queues &&
                      most("max-ring-page-order") >= work_.ring_order() &&
                      (work_.pages() <= sim::kGuestSegments ||
                       most("feature-max-indirect-segments") >= work_.pages());
  if (!enough) throw std::runtime_error("the backend does not offer such queues or requests");
  std::vector<RingKeys> rings;
  for (uint32_t i = 0; i < work_.queues; ++i) {
    queues_.push_back(std::make_unique<StreamQueue>(memory_, events_, line_.backend_domain, work_));
    rings.push_back(queues_.back()->keys());
  }
  set_state(XenbusStateInitialised, ring_keys("x86_64-abi", rings));
  step_ = Step::offered;
}

void StreamDisk::connect() {
  sectors_ = world_.read_number(backend_ + "/sectors");
  if (sectors_ < work_.block_sectors()) throw std::runtime_error("the disk has no block");
  set_state(XenbusStateConnected, {});
  world_.store().unwatch(backend_ + "/state", token());
  step_ = Step::connected;
}

void StreamDisk::set_state(uint32_t state, XenstoreKeys keys) {
  keys["state"] = std::to_string(state);
  update(world_.store(), frontend_, {.key = "state"}, keys);
}

}  // namespace tapring::pretend
