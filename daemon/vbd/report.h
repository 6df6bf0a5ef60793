// SPDX-License-Identifier: MIT
// What the control socket can say of a disk: plain values, taken on the control thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "daemon/datapath/disk_stats.h"
#include "ring/grants.h"

namespace tapring {

/// The last request that failed because of the storage or the image; texts are empty if none has.
struct LastError {
  std::string operation;  ///< "read", "write", "flush", "discard"
  uint64_t offset = 0;    ///< in bytes
  std::string error;      ///< the name of its errno value, such as "EIO"
  std::string message;
  std::string time;  ///< RFC 3339, UTC
};

struct DiskReport {
  std::string disk;  ///< "DOMAIN/VDEV", as commands name it: "0/xvda"; escaped()
  DomainId domain = 0;
  uint32_t device = 0;  ///< the vbd's number, 51712 for xvda
  std::string kind;     ///< of backend: vbd, vbd3, qdisk
  std::string vdev;     ///< escaped()
  std::string mode;     ///< "r" or "w"
  std::string format;   ///< "raw", "aio"; empty if not known
  std::string path;     ///< escaped(): any byte but zero may be in it
  /// "claiming", "opening", "waiting" (for the frontend or the hotplug script), "connecting",
  /// "connected", "errors" (connected, and requests failed not long ago), "failed" (connected, and
  /// nothing can be written any more), "paused", "closing", "closed", "refused", "kernel" (left to
  /// xen-blkback), "adopting" and "releasing" (from and to it)
  std::string state;
  std::string paused_for;    ///< what is paused waits for: "no space", "I/O error", or both
  int64_t paused_since = 0;  ///< seconds since 1970
  std::string reason;  ///< why it is not connected, or why it was not adopted or released, and
                       ///< the remedy; may be empty
  uint32_t backend_state = 0;
  uint32_t frontend_state = 0;  ///< 0: there is no frontend
  uint64_t size_bytes = 0;
  uint32_t queues = 0;
  uint32_t ring_pages = 0;  ///< of each queue
  std::string protocol;     ///< "x86_64-abi", "x86_32-abi", "arm-abi"; empty before negotiation
  std::vector<uint32_t> workers;     ///< those that have queues of it
  std::vector<std::string> notices;  ///< what an administrator may want to know, such as why the
                                     ///< page cache is used after all
  // What becomes of requests that the storage fails: see ErrorPolicy.
  std::string on_no_space;
  std::string on_io_error;
  uint32_t pause_limit_seconds = 0;
  DiskCounters counters;
  LastError last_error;
};

/// Requests of its guest are taken, though some may have to wait, or fail.
inline bool is_served(const DiskReport& disk) {
  return disk.state == "connected" || disk.state == "paused" || disk.state == "errors" ||
         disk.state == "failed";
}

/// Its image is open and locked, or may be.
inline bool holds_image(const DiskReport& disk) {
  return is_served(disk) || disk.state == "closing" || disk.state == "connecting" ||
         disk.state == "adopting" || disk.state == "releasing";
}

}  // namespace tapring
