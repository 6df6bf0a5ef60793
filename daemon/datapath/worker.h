// SPDX-License-Identifier: MIT
// What the disks on one thread share: its loop, its bounce memory, its batches.
#pragma once

#include <cstddef>
#include <limits>

#include "daemon/datapath/response_batch.h"
#include "daemon/datapath/storage_load.h"
#include "ring/buffers.h"
#include "ring/event_channel.h"
#include "ring/grant_batch.h"
#include "ring/grants.h"
#include "ring/loop.h"
#include "ring/persistent_grants.h"

namespace tapring {

/// Everything here is for the loop's thread only; other threads hand it work by Loop::post().
class Worker {
 public:
  /// Loop, grant table and event channels are real or simulated, and outlive the worker.
  Worker(Loop& loop, GrantTable& grants, EventChannel& events, std::size_t arena_bytes,
         std::size_t max_mappings = std::numeric_limits<std::size_t>::max())
      : loop_(loop),
        grants_(grants),
        events_(events),
        buffers_(loop, arena_bytes),
        stalls_(loop),
        copies_(loop, grants),
        responses_(loop),
        mapping_budget_(max_mappings) {}

  Loop& loop() noexcept { return loop_; }
  GrantTable& grants() noexcept { return grants_; }
  EventChannel& events() noexcept { return events_; }
  BufferPool& buffers() noexcept { return buffers_; }
  StallWatch& stalls() noexcept { return stalls_; }
  GrantBatch& copies() noexcept { return copies_; }
  ResponseBatch& responses() noexcept { return responses_; }
  MappingBudget& mapping_budget() noexcept { return mapping_budget_; }

 private:
  Loop& loop_;
  GrantTable& grants_;
  EventChannel& events_;
  BufferPool buffers_;
  StallWatch stalls_;
  GrantBatch copies_;
  ResponseBatch responses_;
  MappingBudget mapping_budget_;
};

}  // namespace tapring
