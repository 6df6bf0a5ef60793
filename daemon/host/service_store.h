// SPDX-License-Identifier: MIT
// What the service manager keeps of descriptors, to hand it to each process that it starts for the
// service: the port. inherited_descriptors has the real one.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ring/unique_fd.h"

namespace tapring {

class ServiceStore {
 public:
  virtual ~ServiceStore() = default;

  /// What was handed to this process, by name. To be called once, and before there are other
  /// threads.
  virtual std::map<std::string, std::vector<UniqueFd>> take() = 0;

  /// Keeps another descriptor of the same description.
  virtual void keep(const std::string& name, const UniqueFd& descriptor) = 0;

  /// Lets go of all of this name.
  virtual void drop(const std::string& name) = 0;

  /// Waits until what was dropped is closed, but not for long. For any thread.
  virtual void await_dropped() = 0;
};

}  // namespace tapring
