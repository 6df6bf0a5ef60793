// SPDX-License-Identifier: MIT
// What a guest may do to its backend that it should not: each is something any guest can do with
// its own memory, its own grants, its own ports and its own directory of xenstore.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "tests/sim/front_ring.h"
#include "tests/sim/frontend.h"
#include "tests/sim/host.h"

namespace tapring::sim {

class Misbehaviour {
 public:
  explicit Misbehaviour(Host& host) : host_(host), thread_(host.world()) {}

  /// So many random misdeeds.
  void of(SimFrontend& frontend, unsigned times);

  // Of a connected frontend.

  /// A request whose fields are what its parser does not hope for.
  FrontRequest strange_request(SimFrontend& frontend);
  void send_strange_requests(SimFrontend& frontend, unsigned count);
  void jump_producer(SimFrontend& frontend);
  void send_events(SimFrontend& frontend, unsigned count);
  void scribble_on_ring(SimFrontend& frontend);
  void revoke_grants(SimFrontend& frontend);

  // Of any frontend.

  void flap_state(SimFrontend& frontend);
  void rewrite_key(SimFrontend& frontend);
  void announce_queues(SimFrontend& frontend, unsigned count);
  void share_ring_page(SimFrontend& frontend);
  void remove_keys(SimFrontend& frontend);

  /// Writes what is not the guest's to write. Throws std::logic_error if xenstored lets it.
  void intrude(SimFrontend& frontend);

  /// Until xenstored lets it have no more; how many keys it made.
  std::size_t fill_directory(SimFrontend& frontend);

  /// Whether xenstored lets the guest do it.
  bool may_write(DomainId guest, const std::string& path, const std::string& value);
  bool may_remove(DomainId guest, const std::string& path);

 private:
  Random& random() noexcept { return host_.world().random(); }
  uint64_t strange_number();
  std::string strange_value();
  GrantRef strange_ref(SimFrontend& frontend);
  Frame scratch_page(SimDomain& domain);
  void write(SimFrontend& frontend, const std::string& key, const std::string& value);
  SimXenstore& connection(DomainId guest);

  Host& host_;
  SimExecutor thread_;
  std::map<DomainId, std::unique_ptr<SimXenstore>> connections_;
  std::map<DomainId, Frame> scratch_pages_;
};

}  // namespace tapring::sim
