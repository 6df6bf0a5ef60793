// SPDX-License-Identifier: MIT
// Descriptors in the service manager's store (systemd.service(5), FileDescriptorStoreMax=), which
// hands them to each process that it starts for the service.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "daemon/host/service_store.h"
#include "ring/unique_fd.h"

namespace tapring {

/// What was handed to this process (sd_listen_fds(3)), by name. To be called once, and before there
/// are other threads.
std::map<std::string, std::vector<UniqueFd>> take_inherited_descriptors();

/// False where there is no service manager that keeps it.
bool store_descriptor(const std::string& name, const UniqueFd& descriptor);

/// All of this name.
void drop_stored_descriptors(const std::string& name);

/// Waits until the service manager has let go of what was dropped, but not for long. For any
/// thread.
void await_dropped_descriptors();

/// The service manager's store of this process.
class InheritedDescriptors final : public ServiceStore {
 public:
  std::map<std::string, std::vector<UniqueFd>> take() override {
    return take_inherited_descriptors();
  }
  void keep(const std::string& name, const UniqueFd& descriptor) override {
    store_descriptor(name, descriptor);
  }
  void drop(const std::string& name) override { drop_stored_descriptors(name); }
  void await_dropped() override { await_dropped_descriptors(); }
};

}  // namespace tapring
