// SPDX-License-Identifier: MIT
#include "daemon/datapath/queue.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <system_error>

namespace tapring {
namespace {

constexpr uint32_t kFewestAtOnce = 4;

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

/// Why it is refused says what an administrator can do.
JournaledRing::Recovered find_ring(const std::string& disk, const JournaledRing::Memory& memory,
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

uint32_t bytes_in(std::span<const Segment> segments) noexcept {
  uint32_t sectors = 0;
  for (const Segment& segment : segments) sectors += segment.sectors();
  return sectors * kSectorBytes;
}

/// Then the guest asks no more. After a flush it would trust in what it never got.
BlkifStatus failure(const Request& request, Error error) noexcept {
  const bool unsupported =
      is(request, BlkifOp::discard) && error == std::errc::operation_not_supported;
  return unsupported ? BlkifStatus::not_supported : BlkifStatus::error;
}

/// The guest's doing, so no reason to wait for the storage.
Error copy_failure() noexcept { return std::make_error_code(std::errc::bad_address); }

/// Not to blame are the storage and the image for what cannot be done as the guest asks, for its
/// pages, and for what follows from a write that was lost before.
bool is_fault(const Request& request, Error error) noexcept {
  if (error == Volume::lost()) return false;
  if (is(request, BlkifOp::discard) && error == std::errc::invalid_argument) return false;
  return error != std::errc::bad_address && error != std::errc::operation_canceled &&
         error != std::errc::operation_not_supported;
}

const char* operation_name(const Request& request) noexcept {
  switch (static_cast<BlkifOp>(request.operation)) {
    case BlkifOp::read: return "read";
    case BlkifOp::write: return "write";
    case BlkifOp::discard: return "discard";
    default: return "flush";
  }
}

/// Whether nothing else of its ring may run beside it: a barrier says so, and a secure discard
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
      recovered_(find_ring(
          context.disk, {mapping_.pages(), {journal_.bytes(), context.journal_observer}}, origin,
          {origin.connection, setup.number, ring_entries(abi, setup.ring_refs.size()), abi})),
      persistent_(context.worker.grants(), context.worker.kept_pages(), context.domain,
                  context.max_persistent_grants),
      in_flight_(context.worker.loop()) {
  attached_ = true;
  if (recovered_.data_lost) {
    context_.faults.mark_data_lost("a flush failed under an earlier tapringd");
  }
}

Queue::~Queue() { detach(); }

void Queue::start() {
  taking_ = true;
  context_.worker.loop().poll(*this);
  // What waits until all others are answered was the last that was taken.
  std::ranges::partition(recovered_.in_flight, [this](const Taken& taken) {
    return !is_exclusive(taken.request, context_.volume.limits());
  });
  for (const Taken& taken : std::exchange(recovered_.in_flight, {})) begin(taken);
  take_some();
  // A kick sent while nobody was bound is lost, in either direction.
  port_.notify();
}

void Queue::detach() {
  if (!attached_) return;
  attached_ = false;
  taking_ = false;
  to_push_ = false;
  context_.worker.loop().stop_polling(*this);
  context_.worker.responses().remove(*this);
  port_ = BoundPort();
  persistent_.clear();
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
  // Never all at once: the storage begins with the first while the next are prepared. The more it
  // has to do, the less that gains, and the more a large batch saves. And a guest can go on adding
  // requests that are refused at once.
  const uint32_t most = std::max(kFewestAtOnce, ring_.in_flight());
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

/// There is no memory to do it.
void Queue::fail(const Taken& taken) {
  context_.stats.errors.add(1);
  respond(taken, BlkifStatus::error);
}

/// The life of a request. It suspends where the comment says so; then other requests run, and the
/// ring may be gone when it goes on.
Detached Queue::serve(Taken taken) {
  const TaskGroup::Member of_disk(context_.requests);
  const TaskGroup::Member of_ring(in_flight_);
  const Request& request = taken.request;
  const Loop::Clock::time_point begun = context_.worker.loop().turn_time();
  context_.stats.in_flight.add(1);
  Outcome status;
  if (const auto refusal = check_request(request, context_.volume.limits())) {
    status = refusal;
  } else if (request.indirect) {
    status = co_await serve_indirect(request);  // grant copies, bounce memory, the image
  } else {
    const auto segments = std::span(request.segments).first(request.segment_count);
    status = co_await execute(request, segments);  // the same
  }
  context_.stats.in_flight.subtract(1);
  if (!status) co_return;
  count(request, *status, begun);
  respond(taken, *status);
}

/// What was taken before it is done before it, and it is done before what comes after.
Detached Queue::serve_exclusively(Taken taken) {
  const TaskGroup::Member of_disk(context_.requests);
  co_await in_flight_.drained();
  // Some were left to whoever serves the ring next. So is this one: to answer it would promise that
  // they are done.
  if (ring_.in_flight() > 1) co_return;
  if (!serve(taken).begun) fail(taken);
  co_await in_flight_.drained();
  exclusive_ = false;
  // What came meanwhile may have been left without asking for an event.
  if (attached_) context_.worker.loop().poll(*this);
}

Task<Outcome> Queue::serve_indirect(const Request& request) {
  if (request.segment_count > context_.max_indirect_segments) co_return BlkifStatus::error;
  std::array<Segment, kIndirectSegments> memory;
  const auto segments = std::span(memory).first(request.segment_count);
  {
    // Given back before the data's buffer is asked for: who holds one never waits for another.
    const Buffer list = co_await context_.buffers.acquire(segments.size() * kSegmentBytes);
    if (!attached_) co_return BlkifStatus::error;
    const auto bytes = static_cast<uint16_t>(segments.size() * kSegmentBytes);
    GrantBatch::Transfer transfer(context_.worker.copies());
    move(transfer, {.local = list.data(), .ref = request.indirect_ref, .domain = context_.domain,
                    .offset = 0, .length = bytes, .to_guest = false, .failed = false});
    const Error error = co_await transfer;
    if (error) co_return BlkifStatus::error;
    decode_segments({list.data(), bytes}, segments);
  }
  if (!check_segments(segments, request.sector, context_.volume.limits())) {
    co_return BlkifStatus::error;
  }
  co_return co_await execute(request, segments);
}

/// Does it again for as long as its disk's policy lets it wait for the storage.
Task<Outcome> Queue::execute(const Request& request, std::span<const Segment> segments) {
  std::optional<HeldRequest> held;
  for (;;) {
    Error error;
    switch (static_cast<BlkifOp>(request.operation)) {
      case BlkifOp::read: error = co_await read(request.sector, segments); break;
      case BlkifOp::write: error = co_await write(request.sector, segments); break;
      case BlkifOp::write_barrier:
      case BlkifOp::flush_diskcache: error = co_await flush(request.sector, segments); break;
      case BlkifOp::discard: error = co_await discard(request); break;
      default: co_return BlkifStatus::not_supported;
    }
    if (!error) {
      if (held) held->succeeded();
      count_bytes(request, bytes_in(segments));
      co_return BlkifStatus::okay;
    }
    if (!context_.held.holds(error)) {
      note_failure(request, error);
      co_return failure(request, error);
    }
    const StorageFault fault = *storage_fault(error);
    if (!held) held.emplace(context_.held, fault);
    const HeldRequest::Verdict verdict = co_await held->wait(fault);
    if (verdict == HeldRequest::Verdict::leave) co_return std::nullopt;
    if (verdict == HeldRequest::Verdict::report) {
      note_failure(request, error);
      co_return BlkifStatus::error;
    }
  }
}

Task<Error> Queue::read(uint64_t sector, std::span<const Segment> segments) {
  const uint32_t bytes = bytes_in(segments);
  const Buffer buffer = co_await context_.buffers.acquire(bytes);
  const iovec whole{buffer.data(), bytes};
  const Error error = co_await context_.volume.read(sector, {&whole, 1});
  if (error) co_return error;
  if (!attached_) co_return std::make_error_code(std::errc::operation_canceled);
  GrantBatch::Transfer transfer(context_.worker.copies());
  std::byte* from = buffer.data();
  for (const Segment& segment : segments) {
    GrantCopy copy = copy_of(segment, from);
    copy.to_guest = true;
    move(transfer, copy);
    from += copy.length;
  }
  const Error copy_error = co_await transfer;
  co_return copy_error ? copy_failure() : Error();
}

Task<Error> Queue::write(uint64_t sector, std::span<const Segment> segments) {
  const uint32_t bytes = bytes_in(segments);
  const Buffer buffer = co_await context_.buffers.acquire(bytes);
  if (!attached_) co_return std::make_error_code(std::errc::operation_canceled);
  GrantBatch::Transfer transfer(context_.worker.copies());
  std::byte* to = buffer.data();
  for (const Segment& segment : segments) {
    const GrantCopy copy = copy_of(segment, to);
    move(transfer, copy);
    to += copy.length;
  }
  const Error copy_error = co_await transfer;
  if (copy_error) co_return copy_failure();
  const iovec whole{buffer.data(), bytes};
  co_return co_await context_.volume.write(sector, {&whole, 1});
}

/// With data it is a write between two flushes: what was written before it is durable before it,
/// and it is durable itself.
Task<Error> Queue::flush(uint64_t sector, std::span<const Segment> segments) {
  Error error = co_await context_.volume.flush();
  if (error || segments.empty()) co_return error;
  error = co_await write(sector, segments);
  if (error) co_return error;
  co_return co_await context_.volume.flush();
}

/// Takes down what the guest is told, for whoever looks after the disk.
void Queue::note_failure(const Request& request, Error error) noexcept {
  if (error == std::errc::state_not_recoverable) {
    // A successor would hear nothing of the loss: the kernel tells it once.
    mark_data_lost();
    context_.faults.mark_data_lost("a request failed", error);
  }
  if (!is_fault(request, error)) return;
  context_.faults.note({operation_name(request), request.sector * kSectorBytes, error,
                        std::chrono::system_clock::now()});
}

Task<Error> Queue::discard(const Request& request) {
  if (is_secure(request, context_.volume.limits())) {
    return context_.volume.secure_erase(request.sector, request.discard_sectors);
  }
  return context_.volume.discard(request.sector, request.discard_sectors);
}

/// At once where the page is kept mapped, else with the other copies of the turn.
void Queue::move(GrantBatch::Transfer& transfer, const GrantCopy& copy) {
  std::byte* page = persistent_.page(copy.ref);
  if (page == nullptr) return transfer.add(copy);
  std::byte* granted = page + copy.offset;
  std::memcpy(copy.to_guest ? granted : copy.local, copy.to_guest ? copy.local : granted,
              copy.length);
}

GrantCopy Queue::copy_of(const Segment& segment, std::byte* local) const noexcept {
  return {.local = local,
          .ref = segment.ref,
          .domain = context_.domain,
          .offset = static_cast<uint16_t>(segment.first_sector * kSectorBytes),
          .length = static_cast<uint16_t>(segment.sectors() * kSectorBytes),
          .to_guest = false,
          .failed = false};
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

/// A flush or a barrier may carry data, and is a write for that part.
void Queue::count_bytes(const Request& request, uint64_t moved) {
  DiskStats& stats = context_.stats;
  if (is(request, BlkifOp::discard)) {
    stats.discards.bytes.add(request.discard_sectors * kSectorBytes);
  } else {
    (is(request, BlkifOp::read) ? stats.reads : stats.writes).bytes.add(moved);
  }
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
