// SPDX-License-Identifier: MIT
// One ring of a disk: takes its requests, does them, answers them. The way of a request is
// Queue::serve; read it first.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "daemon/answers.h"
#include "daemon/disk_stats.h"
#include "daemon/log.h"
#include "daemon/negotiation.h"
#include "daemon/volume.h"
#include "daemon/worker.h"
#include "ring/back_ring.h"
#include "ring/gate.h"
#include "ring/persistent_grants.h"

namespace tapring {

/// What the queues of a disk have in common. Outlives them.
struct QueueContext {
  Worker& worker;
  Volume& volume;
  BufferShare& buffers;
  Gate& gate;  ///< holds a pass for each request in flight
  DiskStats& stats;
  DomainId domain;
  std::string disk;  ///< for log lines
  uint32_t max_persistent_grants = 0;  ///< of each queue
  LogLimit* log_limit = nullptr;       ///< for lines that the guest causes; may be null
};

/// Lives on the worker's thread, until every request has left the gate.
class Queue final : private EventSink, private Pollable, private Answering {
 public:
  /// Maps the ring and binds its event channel; serving starts with start(). Throws
  /// std::system_error that names the grant or port.
  Queue(const QueueContext& context, const QueueSetup& setup, Abi abi);
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;
  ~Queue();

  /// Requests in the ring that nobody answered, as the guest's indices say.
  uint32_t unanswered() const noexcept { return ring_.unanswered(); }

  /// Takes what is there, from then on with every event.
  void start();

  /// Takes nothing more; what was taken is still answered.
  void stop_taking() noexcept { taking_ = false; }

  /// Shows the guest the responses of this turn before its end.
  void publish_now();

  /// Lets go of the ring and the event channel at once: what is in flight goes unanswered.
  void detach();

 private:
  void event() override;
  bool has_work() const noexcept override;
  void poll() override { take_some(); }
  bool arm() override;
  void publish() override;

  void take_some();
  Detached serve(Request request);
  Detached serve_alone(Request request);
  Task<BlkifStatus> serve_indirect(const Request& request);
  Task<BlkifStatus> execute(const Request& request, std::span<const Segment> segments);
  Task<Error> read(uint64_t sector, std::span<const Segment> segments);
  Task<Error> write(uint64_t sector, std::span<const Segment> segments);
  Task<Error> flush(uint64_t sector, std::span<const Segment> segments);
  Task<Error> discard(const Request& request);
  void move(GrantBatch::Transfer& transfer, const GrantCopy& copy);
  GrantCopy copy_of(const Segment& segment, std::byte* local) const noexcept;
  void answer(const Request& request, BlkifStatus status);
  void count_bytes(const Request& request, uint64_t moved);
  void count(const Request& request, BlkifStatus status, Loop::Clock::time_point taken);
  void halt();

  const QueueContext& context_;
  GrantMapping mapping_;
  BackRing ring_;
  PersistentGrants persistent_;
  Port port_ = 0;
  bool attached_ = false;
  bool masked_ = false;  ///< the event channel, since its last event
  bool taking_ = false;
  bool to_publish_ = false;
  bool alone_ = false;  ///< a request is served alone: nothing more is taken until it is answered
  Gate in_flight_;      ///< holds a pass for each request of this ring
};

}  // namespace tapring
