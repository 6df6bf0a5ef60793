// SPDX-License-Identifier: MIT
// What a toolstack does for domains and disks, on a real xenstore: libxl in small.
#pragma once

extern "C" {  // the header does not say so itself
#include <xenstore.h>
}

#include <memory>
#include <optional>
#include <string>

#include "tests/pretend/guest_world.h"
#include "tests/sim/toolstack.h"

namespace tapring::pretend {

/// Everything throws: std::system_error what xenstore refuses, std::runtime_error what does not
/// come in time.
class Toolstack {
 public:
  explicit Toolstack(GuestWorld& world);

  /// As xen-init-dom0 does after xenstored has started.
  void start_domain_0();

  /// `target`: the guest whose stub domain it is.
  void create_domain(DomainId domain, std::optional<DomainId> target);
  void destroy_domain(DomainId domain);

  /// Until the hotplug script would have said `connected`. std::runtime_error with the reason that
  /// the backend gave for refusing the disk.
  void attach(const sim::DiskLine& line);

  /// Only makes the directories.
  void begin_attach(const sim::DiskLine& line);

  /// What the hotplug script says when it is done.
  void end_script(const sim::DiskLine& line);

  /// Asks the backend for the disk.
  void begin_detach(const sim::DiskLine& line);

  /// Until the backend is in state 6; then takes the directories away.
  void finish_detach(const sim::DiskLine& line);

  /// Without waiting for anybody, as after the domain's death.
  void remove(const sim::DiskLine& line);

 private:
  struct Close {
    void operator()(xs_handle* handle) const noexcept { xs_close(handle); }
  };

  void write(const sim::StoreKeys& keys);
  void own(xs_transaction_t transaction, const std::string& path, DomainId owner, DomainId reader);
  void wait_for_verdict(const sim::DiskLine& line);

  GuestWorld& world_;
  std::unique_ptr<xs_handle, Close> xenstore_;
};

}  // namespace tapring::pretend
