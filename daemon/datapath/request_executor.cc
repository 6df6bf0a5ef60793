// SPDX-License-Identifier: MIT
#include "daemon/datapath/request_executor.h"

#include <array>
#include <chrono>
#include <cstring>

namespace tapring {
namespace {

uint32_t bytes_in(std::span<const Segment> segments) noexcept {
  uint32_t sectors = 0;
  for (const Segment& segment : segments) sectors += segment.sectors();
  return sectors * kSectorBytes;
}

/// "Not supported" makes a guest stop sending such requests. That is right for discards; without
/// flushes it would take for durable what is not.
BlkifStatus failure(const Request& request, Error error) noexcept {
  const bool unsupported =
      is(request, BlkifOp::discard) && error == std::errc::operation_not_supported;
  return unsupported ? BlkifStatus::not_supported : BlkifStatus::error;
}

/// The guest granted no such page: no reason to wait for the storage.
Error copy_failure() noexcept {
  return std::make_error_code(std::errc::bad_address);
}

/// Whether the storage or the image is to blame: not for what cannot be done as the guest asks, not
/// for the guest's pages, and not for what follows from a write that was lost before.
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

Task<Outcome> refused(BlkifStatus status) {
  co_return status;
}

}  // namespace

RequestExecutor::RequestExecutor(const QueueContext& context)
    : context_(context),
      persistent_(context.worker.grants(), context.worker.mapping_budget(), context.domain,
                  context.max_persistent_grants) {}

void RequestExecutor::detach() noexcept {
  attached_ = false;
  persistent_.clear();
}

Task<Outcome> RequestExecutor::run(const Request& request) {
  if (const auto refusal = check_request(request, context_.volume.limits())) {
    return refused(*refusal);
  }
  if (request.indirect) return run_indirect(request);
  return run_until_settled(request, std::span(request.segments).first(request.segment_count));
}

Task<Outcome> RequestExecutor::run_indirect(const Request& request) {
  if (request.segment_count > context_.max_indirect_segments) co_return BlkifStatus::error;
  std::array<Segment, kIndirectSegments> memory;
  const auto segments = std::span(memory).first(request.segment_count);
  const Error error = co_await read_segment_list(request, segments);
  if (error || !check_segments(segments, request.sector, context_.volume.limits())) {
    co_return BlkifStatus::error;
  }
  co_return co_await run_until_settled(request, segments);
}

/// Frees its buffer before the data's is asked for: whoever holds one never waits for another.
Task<Error> RequestExecutor::read_segment_list(const Request& request,
                                               std::span<Segment> segments) {
  const auto bytes = static_cast<uint16_t>(segments.size() * kSegmentBytes);
  const Buffer list = co_await context_.buffers.acquire(bytes);
  if (!attached_) co_return std::make_error_code(std::errc::operation_canceled);
  GrantBatch::Transfer transfer(context_.worker.copies());
  move(transfer, {.local = list.data(),
                  .ref = request.indirect_ref,
                  .domain = context_.domain,
                  .offset = 0,
                  .length = bytes,
                  .to_guest = false,
                  .failed = false});
  const Error error = co_await transfer;
  if (!error) decode_segments({list.data(), bytes}, segments);
  co_return error;
}

/// Tries again for as long as the disk's policy lets the request wait for the storage.
Task<Outcome> RequestExecutor::run_until_settled(const Request& request,
                                                 std::span<const Segment> segments) {
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

Task<Error> RequestExecutor::read(uint64_t sector, std::span<const Segment> segments) {
  const uint32_t bytes = bytes_in(segments);
  const Buffer buffer = co_await context_.buffers.acquire(bytes);
  Error error;
  {
    const StorageLoad::Request at_storage(context_.load);
    const iovec whole{buffer.data(), bytes};
    error = co_await context_.volume.read(sector, {&whole, 1});
  }
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

Task<Error> RequestExecutor::write(uint64_t sector, std::span<const Segment> segments) {
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
  const StorageLoad::Request at_storage(context_.load);
  const iovec whole{buffer.data(), bytes};
  co_return co_await context_.volume.write(sector, {&whole, 1});
}

/// With data it is a write between two flushes: durable itself, and after all that was written
/// before it is durable.
Task<Error> RequestExecutor::flush(uint64_t sector, std::span<const Segment> segments) {
  Error error = co_await flush_volume();
  if (error || segments.empty()) co_return error;
  error = co_await write(sector, segments);
  if (error) co_return error;
  co_return co_await flush_volume();
}

Task<Error> RequestExecutor::flush_volume() {
  const StorageLoad::Request at_storage(context_.load);
  co_return co_await context_.volume.flush();
}

Task<Error> RequestExecutor::discard(const Request& request) {
  const StorageLoad::Request at_storage(context_.load);
  if (is_secure(request, context_.volume.limits())) {
    co_return co_await context_.volume.secure_erase(request.sector, request.discard_sectors);
  }
  co_return co_await context_.volume.discard(request.sector, request.discard_sectors);
}

/// Copies at once where the page is kept mapped, else with the other copies of the turn.
void RequestExecutor::move(GrantBatch::Transfer& transfer, const GrantCopy& copy) {
  std::byte* page = persistent_.page(copy.ref);
  if (page == nullptr) return transfer.add(copy);
  std::byte* granted = page + copy.offset;
  std::memcpy(copy.to_guest ? granted : copy.local, copy.to_guest ? copy.local : granted,
              copy.length);
}

GrantCopy RequestExecutor::copy_of(const Segment& segment, std::byte* local) const noexcept {
  return {.local = local,
          .ref = segment.ref,
          .domain = context_.domain,
          .offset = static_cast<uint16_t>(segment.first_sector * kSectorBytes),
          .length = static_cast<uint16_t>(segment.sectors() * kSectorBytes),
          .to_guest = false,
          .failed = false};
}

/// For the administrator, of what the guest is told failed.
void RequestExecutor::note_failure(const Request& request, Error error) noexcept {
  if (error == std::errc::state_not_recoverable) {
    context_.faults.mark_data_lost("a request failed", error);
  }
  if (!is_fault(request, error)) return;
  context_.faults.note({operation_name(request), request.sector * kSectorBytes, error,
                        std::chrono::system_clock::now()});
}

/// A flush or a barrier may carry data, and is a write for that part.
void RequestExecutor::count_bytes(const Request& request, uint64_t moved) {
  DiskStats& stats = context_.stats;
  if (is(request, BlkifOp::discard)) {
    stats.discards.bytes.add(request.discard_sectors * kSectorBytes);
  } else {
    (is(request, BlkifOp::read) ? stats.reads : stats.writes).bytes.add(moved);
  }
}

}  // namespace tapring
