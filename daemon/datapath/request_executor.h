// SPDX-License-Identifier: MIT
// What a request is once it is out of its ring: segments in the guest's memory and sectors of a
// volume. Read RequestExecutor::run first.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "daemon/datapath/queue_context.h"
#include "ring/grant_batch.h"
#include "ring/persistent_grants.h"
#include "ring/request.h"
#include "ring/task.h"

namespace tapring {

/// How a request ended; nullopt: it is not to be answered, and left to whoever serves the ring
/// next.
using Outcome = std::optional<BlkifStatus>;

template <>
struct FailedTask<Outcome> {
  static Outcome with(Error /*error*/) noexcept { return BlkifStatus::error; }
};

/// Does the requests of one queue, any number at once, on the worker's thread.
class RequestExecutor {
 public:
  /// `context` outlives it.
  explicit RequestExecutor(const QueueContext& context);
  RequestExecutor(const RequestExecutor&) = delete;
  RequestExecutor& operator=(const RequestExecutor&) = delete;

  /// Does what the guest asks for, or refuses it. `request` lives until the task is done.
  Task<Outcome> run(const Request& request);

  /// Touches no page of the guest from now on. Requests in progress end with an error.
  void detach() noexcept;

 private:
  Task<Outcome> run_indirect(const Request& request);
  Task<Outcome> run_until_settled(const Request& request, std::span<const Segment> segments);
  Task<Error> try_once(const Request& request, std::span<const Segment> segments);
  Task<Error> read(uint64_t sector, std::span<const Segment> segments);
  Task<Error> write(uint64_t sector, std::span<const Segment> segments);
  Task<Error> flush(uint64_t sector, std::span<const Segment> segments);
  Task<Error> flush_volume();
  Task<Error> discard(const Request& request);
  Task<Error> read_segment_list(const Request& request, std::span<Segment> segments);
  void move(GrantBatch::Transfer& transfer, const GrantCopy& copy);
  GrantCopy copy_of(const Segment& segment, std::byte* local) const noexcept;
  void note_failure(const Request& request, Error error) noexcept;
  void count_bytes(const Request& request, uint64_t moved);

  const QueueContext& context_;
  PersistentGrants persistent_;
  bool attached_ = true;
};

}  // namespace tapring
