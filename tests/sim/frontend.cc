// SPDX-License-Identifier: MIT
#include "tests/sim/frontend.h"

#include <algorithm>
#include <bit>
#include <system_error>
#include <utility>

#include "ring/sizes.h"

namespace tapring::sim {
namespace {

constexpr uint64_t kInfoReadOnly = 4;

}  // namespace

SimFrontend::SimFrontend(SimWorld& world, SimMachine& machine, SimStore& store, DiskName name,
                         DiskModel& model, FrontendOptions options)
    : world_(world),
      machine_(machine),
      name_(name),
      model_(model),
      options_(std::move(options)),
      thread_(world),
      xenstore_(world, machine, store, thread_, name.domain),
      directory_(frontend_directory(name)) {
  xenstore_.deliver_to([this](const WatchEvent&) { advance(); });
  xenstore_.watch(directory_, "own");
}

void SimFrontend::read(uint64_t sector, uint32_t sectors, Done done) {
  const DiskModel::Ticket ticket = model_.begin_read();
  any_queue().submit({.operation = kGuestRead,
                      .sector = sector,
                      .sectors = sectors,
                      .data = {},
                      .done = [this, ticket, sector, done = std::move(done)](
                                  int16_t status, std::span<const std::byte> data) {
                        if (status != kGuestOkay) {
                          model_.forget_read(ticket);
                        } else if (auto wrong = model_.end_read(ticket, sector, data)) {
                          violations_.push_back(*wrong);
                        }
                        if (done) done(status);
                      }});
}

void SimFrontend::write(uint64_t sector, uint32_t sectors, Done done) {
  change(kGuestWrite, sector, sectors, std::move(done));
}

void SimFrontend::barrier(uint64_t sector, uint32_t sectors, Done done) {
  change(kGuestBarrier, sector, sectors, std::move(done));
}

void SimFrontend::discard(uint64_t sector, uint32_t sectors, Done done) {
  // The disk may leave what is not whole as it was, or may not.
  const uint64_t unit = options_.discard_sectors;
  const uint64_t end = sector + sectors;
  const uint64_t first_whole = std::min((sector + unit - 1) / unit * unit, end);
  const uint64_t end_of_whole = std::max(end / unit * unit, first_whole);
  const DiskModel::Ticket begun = model_.begin_discard(sector, first_whole - sector);
  const DiskModel::Ticket whole = model_.begin_discard(first_whole, end_of_whole - first_whole);
  const DiskModel::Ticket rest = model_.begin_discard(end_of_whole, end - end_of_whole);
  submit(kGuestDiscard, sector, sectors, {},
         [this, begun, whole, rest, done = std::move(done)](int16_t status) {
           model_.end_write(begun, false);
           model_.end_write(whole, status == kGuestOkay);
           model_.end_write(rest, false);
           if (done) done(status);
         });
}

void SimFrontend::change(uint8_t operation, uint64_t sector, uint32_t sectors, Done done) {
  const DiskModel::Ticket ticket = model_.begin_write(sector, sectors);
  std::vector<std::byte> data(sectors * kSectorBytes);
  DiskModel::fill(ticket, sector, data);
  submit(operation, sector, sectors, std::move(data),
         [this, ticket, done = std::move(done)](int16_t status) {
           model_.end_write(ticket, status == kGuestOkay);
           if (done) done(status);
         });
}

void SimFrontend::submit(uint8_t operation, uint64_t sector, uint32_t sectors,
                         std::vector<std::byte> data, Done done) {
  any_queue().submit({.operation = operation,
                      .sector = sector,
                      .sectors = sectors,
                      .data = std::move(data),
                      .done = [done = std::move(done)](int16_t status, auto) { done(status); }});
}

void SimFrontend::flush(Done done) {
  any_queue().submit(
      {.operation = kGuestFlush,
       .data = {},
       .done = [this, flush = model_.begin_flush(), done = std::move(done)](int16_t status, auto) {
         model_.end_flush(flush, status == kGuestOkay);
         if (done) done(status);
       }});
}

std::size_t SimFrontend::in_flight() const noexcept {
  std::size_t sum = 0;
  for (const auto& queue : queues_) sum += queue->in_flight();
  return sum;
}

void SimFrontend::close() {
  if (state_ >= kInitialising && state_ <= kConnected) set_state(kClosing);
  finish_closing();
}

void SimFrontend::reload() {
  reloading_ = true;
  advance();
}

void SimFrontend::kexec(FrontendOptions next) {
  options_ = std::move(next);
  if (state_ == kUnknown) return;
  abandon_rings();
  reloading_ = true;
  came_again_ = false;
  if (state_ < kClosing) set_state(kClosing);
  finish_closing();
  advance();
}

void SimFrontend::die() {
  state_ = kUnknown;
  reloading_ = false;
  abandon_rings();
  xenstore_.unwatch(directory_, "own");
  xenstore_.unwatch(backend_ + "/state", "backend");
  backend_.clear();
}

bool SimFrontend::held() const noexcept {
  const auto held = [](const auto& queue) { return queue->held(); };
  return std::ranges::any_of(queues_, held) || std::ranges::any_of(abandoned_, held);
}

void SimFrontend::pause() {
  for (const auto& queue : queues_) queue->pause();
}

void SimFrontend::resume() {
  for (const auto& queue : queues_) queue->resume();
}

std::vector<std::string> SimFrontend::violations() const {
  std::vector<std::string> all = violations_;
  for (const auto& queue : queues_) {
    all.insert(all.end(), queue->violations().begin(), queue->violations().end());
  }
  return all;
}

void SimFrontend::advance() {
  if (!machine_.alive(name_.domain) || !find_backend()) return;
  const uint64_t backend = xenstore_.read_number(backend_ + "/state");
  const uint64_t own = xenstore_.read_number(directory_ + "/state");
  if (own == kInitialising && state_ != kInitialising) {
    // The toolstack made the disk, perhaps anew before the end of the last one was noticed.
    release();
    state_ = kInitialising;
  }
  if (state_ == kInitialising && may_negotiate(backend)) negotiate();
  if (state_ == kInitialised && backend == kConnected) connect();
  if (state_ == kConnected && backend == kConnected) {
    sectors_ = xenstore_.read_number(backend_ + "/sectors");  // it may have grown
  }
  if (backend == kClosing && (state_ != kConnected || options_.closes_when_asked)) close();
  if (backend == kClosed && !came_again_) close();
  if (state_ == kClosing) finish_closing();
  if (!queues_.empty() && (backend == kClosed || backend == kUnknown)) release();
  if (state_ == kClosed && backend == kClosed && std::exchange(reloading_, false)) {
    came_again_ = true;
    set_state(kInitialising);
  }
  // The toolstack took the disk away, perhaps by force: the next one begins anew.
  if (own == kUnknown) {
    abandon_rings();
    xenstore_.unwatch(backend_ + "/state", "backend");
    backend_.clear();
    state_ = kUnknown;
    reloading_ = false;
  }
}

bool SimFrontend::may_negotiate(uint64_t backend) const noexcept {
  return backend == kInitWait || (options_.impatient && backend == kInitialising);
}

bool SimFrontend::find_backend() {
  if (!backend_.empty()) return true;
  backend_ = xenstore_.read(directory_ + "/backend").value_or("");
  if (backend_.empty()) return false;
  backend_domain_ = static_cast<DomainId>(xenstore_.read_number(directory_ + "/backend-id"));
  xenstore_.watch(backend_ + "/state", "backend");
  return true;
}

void SimFrontend::negotiate() {
  const uint64_t most_queues =
      std::max<uint64_t>(1, xenstore_.read_number(backend_ + "/multi-queue-max-queues"));
  const uint64_t most_order = xenstore_.read_number(backend_ + "/max-ring-page-order");
  const FrontQueue::Options options{
      .abi = options_.abi,
      .ring_order = static_cast<unsigned>(std::min<uint64_t>(options_.ring_order, most_order))};
  came_again_ = false;
  abandon_rings();
  for (uint64_t i = 0; i < std::min<uint64_t>(options_.queues, most_queues); ++i) {
    queues_.push_back(
        std::make_unique<FrontQueue>(world_, machine_, name_.domain, backend_domain_, options));
  }
  set_state(kInitialised, ring_keys());
}

XenstoreKeys SimFrontend::ring_keys() {
  XenstoreKeys keys{{"feature-persistent", options_.persistent_grants ? "1" : "0"}};
  if (!options_.protocol.empty()) {
    keys["protocol"] = options_.protocol;
  } else if (xenstore_.read(directory_ + "/protocol")) {
    keys["protocol"] = "x86_64-abi";  // another kernel's may stand there
  }
  // A kernel that was here before may have left these, and other values in them.
  const bool counts_queues =
      queues_.size() > 1 || xenstore_.read(directory_ + "/multi-queue-num-queues");
  if (counts_queues) keys["multi-queue-num-queues"] = std::to_string(queues_.size());
  const bool in_directories = queues_.size() > 1 || options_.one_queue_in_directory;
  for (std::size_t i = 0; i < queues_.size(); ++i) {
    const std::string place = in_directories ? "queue-" + std::to_string(i) + "/" : "";
    const std::vector<GrantRef>& refs = queues_[i]->ring_refs();
    keys[place + "event-channel"] = std::to_string(queues_[i]->port());
    if (refs.size() > 1 || xenstore_.read(directory_ + "/ring-page-order")) {
      keys["ring-page-order"] = std::to_string(std::countr_zero(refs.size()));
    }
    if (refs.size() == 1 && !options_.numbers_single_page) {
      keys[place + "ring-ref"] = std::to_string(refs[0]);
      continue;
    }
    for (std::size_t page = 0; page < refs.size(); ++page) {
      keys[place + "ring-ref" + std::to_string(page)] = std::to_string(refs[page]);
    }
  }
  return keys;
}

void SimFrontend::connect() {
  for (const char* key : {"sectors", "info", "sector-size"}) {
    if (!xenstore_.read(backend_ + '/' + key)) {
      violations_.push_back(std::string("connected without the key ") + key);
    }
  }
  sectors_ = xenstore_.read_number(backend_ + "/sectors");
  discards_ = xenstore_.read_number(backend_ + "/feature-discard") == 1;
  read_only_ = (xenstore_.read_number(backend_ + "/info") & kInfoReadOnly) != 0;
  const uint64_t offered = xenstore_.read_number(backend_ + "/feature-max-indirect-segments");
  for (const auto& queue : queues_) {
    if (options_.persistent_grants &&
        xenstore_.read_number(backend_ + "/feature-persistent") == 1) {
      queue->keep_grants();
    }
    queue->allow_indirect(std::min<std::size_t>(options_.indirect_segments, offered));
  }
  set_state(kConnected);
}

void SimFrontend::finish_closing() {
  if (state_ == kClosing && in_flight() == 0) {
    set_state(kClosed);
  } else if (state_ == kClosing) {
    world_.after(std::chrono::milliseconds(1), [this, alive = std::weak_ptr(alive_)] {
      if (!alive.expired()) finish_closing();
    });
  }
}

void SimFrontend::release() {
  for (const auto& queue : queues_) {
    violations_.insert(violations_.end(), queue->violations().begin(), queue->violations().end());
    if (machine_.events().is_bound({name_.domain, queue->port()})) {
      violations_.push_back("closed, but the event channel is still bound");
    }
    if (!queue->release()) violations_.push_back("closed, but the ring is still mapped");
  }
  queues_.clear();
}

void SimFrontend::abandon_rings() {
  std::erase_if(abandoned_, [](const auto& queue) { return !queue->held(); });
  for (auto& queue : queues_) {
    violations_.insert(violations_.end(), queue->violations().begin(), queue->violations().end());
    queue->abandon();
    abandoned_.push_back(std::move(queue));
  }
  queues_.clear();
}

void SimFrontend::set_state(State state, XenstoreKeys keys) {
  state_ = state;
  keys["state"] = std::to_string(state);
  try {
    write_all(keys);
  } catch (const std::system_error&) {
    // Its guest has used up what xenstored gives to a domain.
  }
}

void SimFrontend::write_all(const XenstoreKeys& keys) {
  std::unique_ptr<XenstoreTransaction> transaction;
  do {
    transaction = xenstore_.begin();
    if (!transaction->read(directory_ + "/state")) return;
    for (const auto& [key, value] : keys) transaction->write(directory_ + '/' + key, value);
  } while (transaction->commit() == XenstoreTransaction::Outcome::conflict);
}

FrontQueue& SimFrontend::any_queue() {
  return *queues_[world_.random().below(queues_.size())];
}

}  // namespace tapring::sim
