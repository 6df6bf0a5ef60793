// SPDX-License-Identifier: MIT
// What a Device and its parts work with.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

#include "daemon/config/disk_spec.h"
#include "daemon/datapath/error_policy.h"
#include "daemon/datapath/workers.h"
#include "daemon/host/blkback.h"
#include "daemon/host/log.h"
#include "daemon/host/witness_store.h"
#include "daemon/host/work.h"
#include "daemon/vbd/device_log.h"
#include "daemon/vbd/device_tasks.h"
#include "daemon/vbd/open_disk.h"
#include "daemon/vbd/vbd_node.h"
#include "daemon/xenstore/vbd_name.h"
#include "ring/file.h"

namespace tapring {

class Device;
class JournalStore;

/// What all devices work with. Outlives them.
struct DeviceContext {
  Xenstore& store;
  Executor& control;
  Background& background;
  Timer& timer;
  const Blkback& blkback;
  Workers& workers;
  JournalStore& journals;
  WitnessStore& witnesses;
  LogLimit& log_limit;
  DomainId backend_domain = 0;
  TransportOffer offer;
  DiskOpener open_disk;
  ErrorPolicy errors;                   ///< of disks whose node has no policy of its own
  std::chrono::milliseconds lock_wait;  ///< ServerSettings'
  PlainLines plain_lines = PlainLines::take;
  /// The other disk of this tapringd that has the file open; nullptr if there is none.
  std::function<const Device*(const FileId& file, const Device& but)> user_of;
  /// The disk that is_twin_of() this one; nullptr if there is none.
  std::function<const Device*(const Device& disk)> twin_of;
  std::function<void(const VbdName&)> gone;  ///< called once is_gone(); may not destroy the device
  uint32_t max_disks = 0;
  std::function<bool()> has_room;  ///< whether fewer devices than that are ours
};

/// What the parts of one device share. Outlives them.
struct DeviceScope {
  DeviceContext& context;
  const VbdName& name;
  VbdNode& node;
  DeviceTasks& tasks;
  DeviceLog& log;
};

}  // namespace tapring
