// SPDX-License-Identifier: MIT
#include "daemon/datapath/queue.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <system_error>
#include <utility>

namespace tapring {
namespace {

constexpr uint32_t kMinTakenAtOnce = 4;

GrantMapping map_ring(const QueueContext& context, const QueueSetup& setup) {
  const auto pages = context.worker.grants().map(context.domain, setup.ring_refs);
  if (!pages) {
    throw std::system_error(pages.error(), fmt::format("mapping the ring, ring-ref {} of domain {}",
                                                       fmt::join(setup.ring_refs, ", "),
                                                       context.domain));
  }
  return {context.worker.grants(), *pages};
}

BoundPort bind_port(const QueueContext& context, const QueueSetup& setup, EventSink& sink) {
  const auto port = context.worker.events().bind(context.domain, setup.event_channel, sink);
  if (!port) {
    throw std::system_error(port.error(), fmt::format("binding event channel {} of domain {}",
                                                      setup.event_channel, context.domain));
  }
  return {context.worker.events(), *port};
}

/// The ring and what was left in flight of it. Throws std::system_error that tells an administrator
/// what to do.
JournaledRing::Recovered open_ring(const std::string& disk, const JournaledRing::Memory& memory,
                                   const RingOrigin& origin, const JournalKey& key) {
  if (origin.history != RingHistory::fresh) {
    auto recovered = JournaledRing::recover(memory, key);
    if (recovered) {
      const std::size_t again = recovered->in_flight.size();
      spdlog::log(again > 0 ? spdlog::level::info : spdlog::level::debug,
                  "{}: queue {}: taken up with its journal: {} requests are done again", disk,
                  key.queue, again);
      return std::move(*recovered);
    }
    const uint32_t unanswered = BackRing(memory.pages, key.abi).unanswered();
    if (origin.history != RingHistory::drained && unanswered > 0) {
      throw std::system_error(
          std::make_error_code(std::errc::state_not_recoverable),
          fmt::format("whoever served this disk before died with {} requests unanswered, and what "
                      "became of them is not known, as its journal is of no use ({}): detach the "
                      "disk with --force and attach it again",
                      unanswered, recovered.error()));
    }
    if (origin.history == RingHistory::unknown) {
      spdlog::info("{}: queue {}: taken up without its journal ({}): everything was answered", disk,
                   key.queue, recovered.error());
    }
  }
  return {JournaledRing(memory, key), {}, false};
}

/// Whether no other request of its ring may run beside it: a barrier says so, and a secure discard
/// takes a thread, of which a guest must not get many.
bool is_exclusive(const Request& request, const RequestLimits& limits) noexcept {
  return is(request, BlkifOp::write_barrier) || is_secure(request, limits);
}

}  // namespace

Queue::Queue(const QueueContext& context, const QueueSetup& setup, Abi abi,
             const RingOrigin& origin, SharedMemory journal)
    : context_(context),
      mapping_(map_ring(context, setup)),
      port_(bind_port(context, setup, *this)),
      journal_(std::move(journal)),
      recovered_(open_ring(
          context.disk, {mapping_.pages(), {journal_.bytes(), context.journal_observer}}, origin,
          {origin.connection, setup.number, ring_entries(abi, setup.ring_refs.size()), abi})),
      executor_(context),
      in_flight_(context.worker.loop()) {
  attached_ = true;
  if (recovered_.data_lost) {
    context_.faults.mark_data_lost("a flush failed under an earlier tapringd");
  }
  context_.faults.lost_writes()->add(*this);
}

Queue::~Queue() { detach(); }

void Queue::start() {
  taking_ = true;
  context_.worker.loop().poll(*this);
  // An exclusive request was the last that was taken, and waits for all others.
  std::ranges::partition(recovered_.in_flight, [this](const Taken& taken) {
    return !is_exclusive(taken.request, context_.volume.limits());
  });
  for (const Taken& taken : std::exchange(recovered_.in_flight, {})) begin(taken);
  take_some();
  // Whatever either side notified while no port was bound is lost.
  port_.notify();
}

void Queue::detach() {
  if (!attached_) return;
  attached_ = false;
  context_.faults.lost_writes()->remove(*this);
  taking_ = false;
  to_push_ = false;
  context_.worker.loop().stop_polling(*this);
  context_.worker.responses().remove(*this);
  port_ = BoundPort();
  executor_.detach();
  mapping_ = GrantMapping();
}

/// The ring is polled from now on, and the event channel stays masked, until the loop sleeps.
void Queue::event() {
  context_.stats.wakeups.add(1);
  masked_ = true;
  context_.worker.loop().poll(*this);
  take_some();
}

bool Queue::has_work() const noexcept {
  return taking_ && !exclusive_ && ring_.has_request();
}

bool Queue::arm() {
  if (taking_ && !exclusive_ && ring_.arm()) return true;
  if (masked_) port_.unmask();
  masked_ = false;
  return false;
}

void Queue::take_some() {
  if (!taking_) return;
  // A few at first, so that the storage begins with those while the next are prepared. The more it
  // has to do already, the less that gains, and the more a large batch saves. Never without bound:
  // a guest could keep us here by adding requests that are refused at once.
  const uint32_t most = std::max(kMinTakenAtOnce, ring_.in_flight());
  for (uint32_t taken = 0; taken < most && !exclusive_; ++taken) {
    const auto next = ring_.take();
    if (!next) break;
    begin(*next);
  }
  if (ring_.broken()) halt();
}

void Queue::begin(const Taken& taken) {
  exclusive_ = is_exclusive(taken.request, context_.volume.limits());
  const Detached served = exclusive_ ? serve_exclusively(taken) : serve(taken);
  if (served.begun) return;
  exclusive_ = false;
  fail(taken);
}

/// There is no memory to serve it.
void Queue::fail(const Taken& taken) {
  context_.stats.errors.add(1);
  respond(taken, BlkifStatus::error);
}

/// The life of a request. Others run while the executor has it, and the ring may be gone after.
Detached Queue::serve(Taken taken) {
  const TaskGroup::Member of_disk(context_.requests);
  const TaskGroup::Member of_ring(in_flight_);
  const Request& request = taken.request;
  const Loop::Clock::time_point begun = context_.worker.loop().turn_time();
  context_.stats.in_flight.add(1);
  const Outcome status = co_await executor_.run(request);
  context_.stats.in_flight.subtract(1);
  if (!status) co_return;
  count(request, *status, begun);
  respond(taken, *status);
}

/// After all that was taken before it, and before all that is taken later.
Detached Queue::serve_exclusively(Taken taken) {
  const TaskGroup::Member of_disk(context_.requests);
  co_await in_flight_.drained();
  // Some requests were left to the next server of the ring. So is this one: its answer would
  // promise that they are done.
  if (ring_.in_flight() > 1) co_return;
  if (!serve(taken).begun) fail(taken);
  co_await in_flight_.drained();
  exclusive_ = false;
  // Requests may have come meanwhile, of which no event was asked for.
  if (attached_) context_.worker.loop().poll(*this);
}

void Queue::respond(const Taken& taken, BlkifStatus status) {
  if (!attached_) return;
  ring_.respond(taken, status);
  if (to_push_) return;
  to_push_ = true;
  context_.worker.responses().add(*this);
}

void Queue::push_now() {
  if (!to_push_) return;
  context_.worker.responses().remove(*this);
  push_responses();
}

void Queue::push_responses() {
  to_push_ = false;
  if (!ring_.push()) return;
  context_.stats.notifications.add(1);
  port_.notify();
}

void Queue::count(const Request& request, BlkifStatus status, Loop::Clock::time_point taken) {
  DiskStats& stats = context_.stats;
  if (status == BlkifStatus::error) stats.errors.add(1);
  if (status == BlkifStatus::not_supported) stats.unsupported.add(1);
  if (status != BlkifStatus::okay) return;
  const auto elapsed = std::chrono::nanoseconds(context_.worker.loop().turn_time() - taken);
  DiskStats::PerOperation& operation = is(request, BlkifOp::read)      ? stats.reads
                                       : is(request, BlkifOp::write)   ? stats.writes
                                       : is(request, BlkifOp::discard) ? stats.discards
                                                                       : stats.flushes;
  operation.requests.add(1);
  operation.nanoseconds.add(static_cast<uint64_t>(elapsed.count()));
}

void Queue::halt() {
  taking_ = false;
  context_.stats.ring_broken = true;
  if (context_.log_limit == nullptr) return;
  context_.log_limit->log(spdlog::level::err, context_.disk,
                          "the guest's ring indices are impossible: this ring is stopped until the "
                          "guest reconnects");
}

}  // namespace tapring
