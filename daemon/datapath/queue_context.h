// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

#include "daemon/datapath/disk_faults.h"
#include "daemon/datapath/disk_stats.h"
#include "daemon/datapath/held_requests.h"
#include "daemon/datapath/storage_load.h"
#include "daemon/datapath/volume.h"
#include "daemon/datapath/worker.h"
#include "daemon/host/log.h"
#include "ring/journal.h"
#include "ring/waiting.h"

namespace tapring {

/// What the queues of a disk on one worker have in common. Outlives them.
struct QueueContext {
  Worker& worker;
  Volume& volume;
  BufferQuota& buffers;
  StorageLoad& load;
  TaskGroup& requests;  ///< has a member for each request in flight
  HeldRequests& held;
  DiskStats& stats;
  DiskFaults& faults;
  DomainId domain;
  std::string disk;                                    ///< for log lines
  uint32_t max_persistent_grants = 0;                  ///< of each queue
  uint32_t max_indirect_segments = kIndirectSegments;  ///< of a request, as the guest was told
  LogLimit* log_limit = nullptr;                ///< for lines that the guest causes; may be null
  JournalObserver* journal_observer = nullptr;  ///< for tests
};

}  // namespace tapring
