// SPDX-License-Identifier: MIT
// A vbd's two directories in xenstore, the backend's, which is ours to write, and the frontend's.
// The keys are those of xen/include/public/io/blkif.h and of libxl.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/datapath/error_policy.h"
#include "daemon/datapath/negotiation.h"
#include "daemon/xenstore/vbd_name.h"
#include "daemon/xenstore/xenstore.h"
#include "formats/image.h"

namespace tapring {

/// enum xenbus_state of xen/include/public/io/xenbus.h; `missing` is ours.
enum class XenbusState : uint32_t {
  missing = 0,
  initialising = 1,
  init_wait = 2,
  initialised = 3,
  connected = 4,
  closing = 5,
  closed = 6,
  reconfiguring = 7,
  reconfigured = 8,
};

/// What the toolstack wrote when it made the vbd. Never from keys that a guest can write.
struct VbdSpec {
  std::string frontend;  ///< directory
  std::string vdev;      ///< "xvda"
  std::string params;
  std::string mode;
  std::string script;  ///< empty if there is none
  bool cdrom = false;
  bool removable = false;
  bool discard = true;  ///< may be offered: the disk line does not say no-discard
  /// The same for both domains of a guest that migrates to where it is, and for their stub domains,
  /// but for no others: the guest's UUID's directory. Empty where we may not read it.
  std::string guest;
  /// Of a stub domain, which runs the device model of an HVM guest: that guest.
  std::optional<DomainId> target;
};

/// What changes again and again while a vbd lives.
struct VbdState {
  XenbusState backend = XenbusState::missing;
  XenbusState frontend = XenbusState::missing;
  bool operator==(const VbdState&) const = default;
};

/// What we offer before the frontend makes its rings.
struct TransportOffer {
  uint32_t max_queues = 1;
  uint32_t max_ring_order = 0;
  uint32_t max_indirect_segments = 0;
  uint32_t max_persistent_grants = 0;  ///< of each ring; 0: not offered
};

/// What we offer with state 4.
struct ConnectionOffer {
  uint32_t max_indirect_segments = 0;
  bool persistent_grants = false;
};

class VbdNode {
 public:
  VbdNode(Xenstore& store, DomainId backend_domain, const VbdName& name);

  const std::string& path() const noexcept { return path_; }

  /// The frontend's directory. nullopt if there is no node, yet or any more; an error that says
  /// what is wrong if the node must not be served.
  std::optional<std::expected<std::string, std::string>> read_frontend() const;

  /// A key that the toolstack has still to write before the node says what it asks for; empty if
  /// there is none. It may write keys one by one, in any order.
  std::string missing_key() const;

  /// Has no hotplug script so far. Some toolstacks write none; with others it is still to come.
  bool may_get_script() const;

  /// The toolstack takes the node away, and waits for our state 6.
  bool is_detached() const;

  VbdSpec read_spec(std::string frontend) const;

  VbdState read_state(const VbdSpec& spec) const;

  /// False once the toolstack removes the vbd.
  bool online() const;

  /// Empty if the script said nothing yet.
  std::string hotplug_status() const;

  /// Whether a change at this path matters once the spec was read. Most keys are written only once,
  /// or only by us.
  bool concerns(std::string_view path) const;

  /// Whether the path is that of a key of VbdSpec's.
  bool is_of_spec(std::string_view path) const;

  /// Whether the path is that of one of our policy's keys.
  bool is_policy(std::string_view path) const;

  /// What they say.
  PolicyWords read_policy() const;

  /// The offer that the frontend saw, ours or xen-blkback's, but for persistent grants.
  RingOffer read_offer() const;

  /// What the frontend was told in state `connected`, by us or xen-blkback.
  ConnectionOffer read_connection_offer() const;

  /// Each key is read once at most, however often it is asked for.
  FrontendKeys frontend_keys(const VbdSpec& spec) const;

  /// Whether a tapringd ever connected the disk.
  bool was_served() const;

  /// The id of the connection that a tapringd serves or served; empty if there was none, or if it
  /// ended in order.
  std::string connection() const;

  /// What a tapringd serves or served the disk from, served_files_line()'s; empty if nothing is
  /// known.
  std::string served_files() const;

  /// The size in bytes that the frontend was told; 0 if it was not.
  uint64_t told_bytes() const;

  /// Whether a tapringd ended its service in order, with every request that it took answered.
  bool drained() const;

  /// What the hotplug script says went wrong.
  std::string hotplug_error() const;

  /// The number of the block device that xen-blkback serves, "major:minor" in hexadecimal digits;
  /// empty if no script wrote one.
  std::string physical_device() const;

  /// Whether the frontend lets pages stay mapped where a backend offers that.
  bool keeps_grants(const VbdSpec& spec) const;

  // Each of these writes in one transaction, and only if our state is still `from`; else someone
  // changed it meanwhile, and a watch event will tell. False if nothing was written.

  bool offer(XenbusState from, const TransportOffer& offer);
  bool connect(XenbusState from, const VbdSpec& spec, const Geometry& geometry,
               const ConnectionOffer& offer);
  /// Tells a connected frontend the new size: it reads it again when the state is written.
  bool resize(uint64_t sectors);
  bool write_state(XenbusState from, XenbusState to);
  bool mark_drained();

  /// To be called before the first request is taken: from now on the rings' journal is that of
  /// `connection`, and they count as drained no more. `again`: the frontend is connected already.
  /// `files`: served_files_line().
  void begin_service(const std::string& connection, const std::string& files, bool again);

  /// Others serve the rings from now on.
  void end_service();

  /// The last state that one of these wrote; missing if none did.
  XenbusState written() const noexcept { return written_; }

  /// False if the node is gone.
  bool write_policy(const PolicyWords& words);

  /// For our hotplug script, which waits for it: "ready" or "refused: REASON".
  void write_status(const std::string& status);

 private:
  std::optional<std::string> read(std::string_view key) const;
  std::optional<DomainId> read_target() const;
  XenbusState read_xenbus_state(const std::string& directory) const;
  bool move(XenbusState from, XenbusState to, XenstoreKeys keys = {});

  Xenstore& store_;
  VbdName name_;
  std::string path_;
  XenbusState written_ = XenbusState::missing;
  std::optional<RingOffer> offered_;
};

}  // namespace tapring
