// SPDX-License-Identifier: MIT
// One device's surroundings, for tests of its parts one by one.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "daemon/vbd/device_context.h"
#include "daemon/vbd/disk_identity.h"
#include "tests/sim/background.h"
#include "tests/sim/blkback.h"
#include "tests/sim/executor.h"
#include "tests/sim/journals.h"
#include "tests/sim/storage.h"
#include "tests/sim/witnesses.h"
#include "tests/sim/xenstore.h"

namespace tapring {

class DeviceParts : public testing::Test {
 protected:
  static constexpr const char* kFrontend = "/local/domain/1/device/vbd/51712";

  DeviceParts() {
    spec_.vdev = "xvda";
    spec_.frontend = kFrontend;
    spec_.params = disk_.path;
    spec_.mode = "w";
    log_.set_vdev(spec_.vdev);
  }

  void write(const std::string& key, const std::string& value) {
    store_.write({{node_.path() + '/' + key, value}});
  }
  std::string key(const std::string& name) {
    return store_.read(node_.path() + '/' + name).value_or("none");
  }
  bool run_until(const std::function<bool()>& done) { return world_.run_until(done); }

  sim::SimWorld world_{1};
  sim::SimMachine machine_{world_};
  sim::SimStore store_;
  sim::SimExecutor thread_{world_};
  sim::SimXenstore xenstore_{world_, machine_, store_, thread_, 0};
  sim::SimBackground background_{world_};
  sim::SimBlkback blkback_{world_, machine_, store_};
  sim::SimJournals journals_;
  sim::SimJournalStore journal_store_{journals_};
  sim::SimStorage storage_{world_};
  sim::SimWitnesses witnesses_;
  sim::SimWitnessStore witness_store_{witnesses_, storage_};
  Workers workers_{{nullptr}};  ///< nothing is connected
  LogLimit log_limit_;
  DeviceContext context_{xenstore_,
                         thread_,
                         background_,
                         thread_,
                         blkback_,
                         workers_,
                         journal_store_,
                         witness_store_,
                         log_limit_,
                         0,
                         {},
                         {},
                         {},
                         std::chrono::seconds(3),
                         PlainLines::take,
                         {},
                         {},
                         {},
                         1,
                         [this] { return has_room_; }};
  bool has_room_ = true;
  const VbdName name_{.kind = "vbd", .domain = 1, .device = 51712};
  VbdNode node_{xenstore_, 0, name_};
  std::shared_ptr<int> device_ = std::make_shared<int>();
  DeviceTasks tasks_{thread_, background_, thread_, [this] { return device_; }};
  DeviceLog log_{log_limit_, name_.domain};
  const DeviceScope scope_{context_, name_, node_, tasks_, log_};
  VbdSpec spec_;
  DiskSpec disk_{"raw", "/images/a.img"};
  const DiskIdentity identity_{name_, spec_, disk_};
};

}  // namespace tapring
