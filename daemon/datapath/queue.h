// SPDX-License-Identifier: MIT
// One ring of a disk: takes its requests, does them, answers them. The way of a request is
// Queue::serve; read it first.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "daemon/datapath/disk_faults.h"
#include "daemon/datapath/disk_stats.h"
#include "daemon/datapath/held_requests.h"
#include "daemon/datapath/negotiation.h"
#include "daemon/datapath/response_batch.h"
#include "daemon/datapath/volume.h"
#include "daemon/datapath/worker.h"
#include "daemon/host/log.h"
#include "ring/journaled_ring.h"
#include "ring/persistent_grants.h"
#include "ring/shared_memory.h"
#include "ring/waiting.h"

namespace tapring {

/// Of a request; nullopt: it ends without an respond, for whoever serves the ring next.
using Outcome = std::optional<BlkifStatus>;

template <>
struct FailedTask<Outcome> {
  static Outcome with(Error /*error*/) noexcept { return BlkifStatus::error; }
};

/// What the queues of a disk have in common. Outlives them.
struct QueueContext {
  Worker& worker;
  Volume& volume;
  BufferQuota& buffers;
  TaskGroup& requests;  ///< has a member for each request in flight
  HeldRequests& held;
  DiskStats& stats;
  DiskFaults& faults;
  DomainId domain;
  std::string disk;  ///< for log lines
  uint32_t max_persistent_grants = 0;  ///< of each queue
  uint32_t max_indirect_segments = kIndirectSegments;  ///< of a request, as the guest was told
  LogLimit* log_limit = nullptr;       ///< for lines that the guest causes; may be null
  JournalObserver* journal_observer = nullptr;  ///< for tests
};

/// What to expect in the rings when a disk is connected.
enum class RingHistory {
  fresh,    ///< the frontend has just made them
  drained,  ///< somebody served them and answered everything that was taken out
  unknown,  ///< somebody served them: their journal tells what they left. Without it only a ring
            ///< with nothing unanswered can be taken up
};

/// The same for all rings of a disk.
struct RingOrigin {
  ConnectionId connection{};
  RingHistory history = RingHistory::fresh;
};

/// Lives on the worker's thread, until every request has left QueueContext::requests.
class Queue final : private EventSink, private Pollable, private ResponseSource {
 public:
  /// Maps the ring and binds its event channel; serving starts with start(). `journal`: as whoever
  /// served the ring before left it. Throws std::system_error that names the grant or port, or
  /// says why the ring cannot be taken up.
  Queue(const QueueContext& context, const QueueSetup& setup, Abi abi, const RingOrigin& origin,
        SharedMemory journal);
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;
  ~Queue();

  /// Requests that were taken, by this or by those before, and not answered.
  uint32_t in_flight() const noexcept { return ring_.in_flight(); }

  /// Does what those before left undone, and takes what is there, from then on with every event.
  void start();

  /// Takes nothing more; what was taken is still answered.
  void stop_taking() noexcept { taking_ = false; }

  /// Shows the guest the responses of this turn before the turn ends.
  void push_now();

  /// Tells whoever comes after us that what was acknowledged may be lost.
  void mark_data_lost() noexcept {
    if (attached_) ring_.mark_data_lost();
  }

  /// Lets go of the ring and the event channel at once: what is in flight goes unanswered.
  void detach();

 private:
  using Taken = JournaledRing::Taken;

  void event() override;
  bool has_work() const noexcept override;
  void poll() override { take_some(); }
  bool arm() override;
  void push_responses() override;

  void take_some();
  void begin(const Taken& taken);
  Detached serve(Taken taken);
  Detached serve_exclusively(Taken taken);
  void fail(const Taken& taken);
  Task<Outcome> serve_indirect(const Request& request);
  Task<Outcome> execute(const Request& request, std::span<const Segment> segments);
  Task<Error> read(uint64_t sector, std::span<const Segment> segments);
  Task<Error> write(uint64_t sector, std::span<const Segment> segments);
  Task<Error> flush(uint64_t sector, std::span<const Segment> segments);
  Task<Error> discard(const Request& request);
  void move(GrantBatch::Transfer& transfer, const GrantCopy& copy);
  GrantCopy copy_of(const Segment& segment, std::byte* local) const noexcept;
  void respond(const Taken& taken, BlkifStatus status);
  void note_failure(const Request& request, Error error) noexcept;
  void count_bytes(const Request& request, uint64_t moved);
  void count(const Request& request, BlkifStatus status, Loop::Clock::time_point taken);
  void halt();

  const QueueContext& context_;
  GrantMapping mapping_;
  // Before the ring is looked at: two cannot be bound, so whoever served it has ended by then.
  BoundPort port_;
  SharedMemory journal_;
  JournaledRing::Recovered recovered_;
  JournaledRing& ring_ = recovered_.ring;
  PersistentGrants persistent_;
  bool attached_ = false;
  bool masked_ = false;  ///< the event channel, since its last event
  bool taking_ = false;
  bool to_push_ = false;
  bool exclusive_ = false;  ///< nothing more is taken until the exclusive request is answered
  TaskGroup in_flight_;     ///< has a member for each request of this ring in flight
};

}  // namespace tapring
