// SPDX-License-Identifier: MIT
// One ring of a disk: takes its requests, has them done, answers them. The way of a request is
// Queue::serve; read it first.
#pragma once

#include <cstdint>

#include "daemon/datapath/lost_writes.h"
#include "daemon/datapath/negotiation.h"
#include "daemon/datapath/queue_context.h"
#include "daemon/datapath/request_executor.h"
#include "daemon/datapath/response_batch.h"
#include "ring/event_channel.h"
#include "ring/journaled_ring.h"
#include "ring/loop.h"
#include "ring/shared_memory.h"
#include "ring/waiting.h"

namespace tapring {

/// Who had the rings before the disk is connected.
enum class RingHistory {
  fresh,    ///< the frontend has just made them
  drained,  ///< they were served, and every request that was taken was answered
  unknown,  ///< they were served: their journals tell what was in flight. Without its journal only
            ///< a ring with nothing unanswered can be taken up
};

/// The same for all rings of a disk.
struct RingOrigin {
  ConnectionId connection{};
  RingHistory history = RingHistory::fresh;
};

/// Lives on the worker's thread, until every request has left QueueContext::requests.
class Queue final : private EventSink,
                    private Pollable,
                    private ResponseSource,
                    private LostWrites::Listener {
 public:
  /// Maps the ring and binds its event channel; serving starts with start(). `journal`: as it was
  /// left by whoever served the ring before. Throws std::system_error that names the grant or port,
  /// or says why the ring cannot be taken up.
  Queue(const QueueContext& context, const QueueSetup& setup, Abi abi, const RingOrigin& origin,
        SharedMemory journal);
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;
  ~Queue();

  /// Requests that were taken, by this one or by those before it, and not answered.
  uint32_t in_flight() const noexcept { return ring_.in_flight(); }

  /// Does what was left in flight, and takes what is there, from then on with every event.
  void start();

  /// Takes no more requests; those that were taken are still answered.
  void stop_taking() noexcept { taking_ = false; }

  /// Shows the guest the responses of this turn before the turn ends.
  void push_now();

  /// Lets go of the ring and the event channel at once: requests in flight go unanswered.
  void detach();

 private:
  using Taken = JournaledRing::Taken;

  void event() override;
  bool has_work() const noexcept override;
  void poll() override { take_some(); }
  bool arm() override;
  void push_responses() override;
  /// Tells the next server of the ring, whatever thread found out.
  void writes_lost(const char* /*how*/, Error /*cause*/) noexcept override {
    ring_.mark_data_lost();
  }

  void take_some();
  void begin(const Taken& taken);
  Detached serve(Taken taken);
  Detached serve_exclusively(Taken taken);
  void fail(const Taken& taken);
  void respond(const Taken& taken, BlkifStatus status);
  void count(const Request& request, BlkifStatus status, Loop::Clock::time_point taken);
  void halt();

  const QueueContext& context_;
  GrantMapping mapping_;
  // Bound before the ring is read: a port has one binding, so whoever served it has ended by then.
  BoundPort port_;
  SharedMemory journal_;
  JournaledRing::Recovered recovered_;
  JournaledRing& ring_ = recovered_.ring;
  RequestExecutor executor_;
  bool attached_ = false;
  bool masked_ = false;  ///< the event channel, since its last event
  bool taking_ = false;
  bool to_push_ = false;
  bool exclusive_ = false;  ///< nothing more is taken until the exclusive request is answered
  TaskGroup in_flight_;     ///< has a member for each request of this ring in flight
};

}  // namespace tapring
