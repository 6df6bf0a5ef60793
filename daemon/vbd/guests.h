// SPDX-License-Identifier: MIT
// Which guest a domain is, so which worker process serves its disks.
//
// A stub domain's disks are those of the guest whose device model it runs, with one image. A guest
// that migrates on this host is two domains for a while, and the second takes the images over. So
// both have one worker.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "daemon/xenstore/vbd_name.h"
#include "daemon/xenstore/xenstore.h"

namespace tapring {

class Guests {
 public:
  /// `store` outlives this.
  explicit Guests(Xenstore& store) noexcept : store_(store) {}

  /// The name of the worker, which can name a file.
  std::string worker_of(DomainId domain);

  /// The numbers of domains are used again. One with disks stays that guest's until these are gone:
  /// what is known of it goes before them.
  void forget(const std::function<bool(DomainId)>& has_disks);

 private:
  std::optional<std::string> read_worker(DomainId domain);

  Xenstore& store_;
  std::map<DomainId, std::string> workers_;
};

}  // namespace tapring
