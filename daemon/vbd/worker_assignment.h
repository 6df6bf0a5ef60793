// SPDX-License-Identifier: MIT
// Which worker process serves a disk: see Isolation.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "daemon/config/isolation.h"
#include "daemon/xenstore/vbd_name.h"
#include "daemon/xenstore/xenstore.h"

namespace tapring {

/// Of the control thread.
class WorkerAssignment {
 public:
  /// `store` outlives this.
  WorkerAssignment(Xenstore& store, Isolation isolation) noexcept
      : store_(store), isolation_(isolation) {}

  /// For a disk that is there anew: which worker serves it from now on, until it is forgotten. A
  /// guest is gone from xenstore before its disks are. nullopt if its node does not tell yet, or
  /// there is no xenstore. A worker's name can name a file.
  std::optional<std::string> assign(const VbdName& disk);

  /// For any name, which may be no disk's: the worker that serves it, or would.
  std::optional<std::string> worker_of(const VbdName& disk) const;

  /// Whether that worker serves a disk of this domain.
  bool serves(const std::string& worker, DomainId domain) const;

  void forget_but(const std::function<bool(const VbdName&, const std::string& worker)>& is_left);

 private:
  std::optional<std::string> choose(const VbdName& disk) const;
  std::string guest_of(DomainId domain) const;
  std::optional<std::string> storage_of(const VbdName& disk) const;

  Xenstore& store_;
  const Isolation isolation_;
  std::map<VbdName, std::string> workers_;
};

}  // namespace tapring
