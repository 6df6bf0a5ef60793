// SPDX-License-Identifier: MIT
// What a pretend Xen knows, as it lies in the memory that all its processes share: zeros at first.
#pragma once

#include <pthread.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "ring/event_channel.h"
#include "ring/grants.h"
#include "tests/pretend/process.h"

namespace tapring::pretend {

inline constexpr DomainId kDomains = 300;     ///< a number is used once, as in Xen
inline constexpr uint32_t kPages = 65536;     ///< of a domain's memory, most of it never touched
inline constexpr GrantRef kGrants = kPages;   ///< of a domain
inline constexpr Port kPorts = 2048;          ///< of a domain; 0 is none
inline constexpr uint32_t kRegions = 256;     ///< of a domain
inline constexpr uint32_t kMappings = 65536;  ///< of the machine

// What the builder of a domain sets up for xenstore.
inline constexpr uint32_t kXenstorePage = 0;
inline constexpr GrantRef kXenstoreGrant = 1;  ///< GNTTAB_RESERVED_XENSTORE
inline constexpr Port kXenstorePort = 1;
inline constexpr uint32_t kReservedPages = 8;  ///< GNTTAB_NR_RESERVED_ENTRIES

enum class Permission : uint16_t { none = 0, read = 1, read_write = 2 };

/// What a domain lets another do with a page. Replaced as a whole, so nobody sees half of one.
struct Grant {
  Permission permission = Permission::none;
  DomainId domain = 0;
  uint32_t page = 0;
};
static_assert(std::atomic<Grant>::is_always_lock_free);

struct GrantEntry {
  std::atomic<Grant> grant;
  std::atomic<uint32_t> mapped;  ///< how often; the records of Control::mappings are what counts
};

/// A granted page in the address space of a process.
struct Mapping {
  Process owner;
  DomainId domain;
  GrantRef ref;
  bool used;
};

enum class PortState : uint32_t { free, unbound, interdomain, virq };

/// One end of an event channel. Apart from others, which are of other processes.
struct alignas(64) PortEntry {
  std::atomic<PortState> state;
  std::atomic<uint32_t> bits;    ///< see ports.h
  std::atomic<uint64_t> handle;  ///< whose FIFO is told of events; 0: nobody's, who looks himself
  std::atomic<uint32_t> peer_domain;
  std::atomic<Port> peer_port;
  uint32_t virq;
  DomainId allowed;  ///< who may bind to it while it is unbound
  Process owner;
};

/// Pages of a domain, and the grant references of the same numbers, that a process took for itself.
struct Region {
  Process owner;
  uint32_t first;
  uint32_t count;  ///< 0: not used
};

/// What a domain's processes asked of Xen since it was made.
struct alignas(64) Counters {
  std::atomic<uint64_t> maps;
  std::atomic<uint64_t> mapped_pages;
  std::atomic<uint64_t> unmapped_pages;
  std::atomic<uint64_t> copies;
  std::atomic<uint64_t> copied_segments;
  std::atomic<uint64_t> failed_segments;
  std::atomic<uint64_t> binds;
  std::atomic<uint64_t> unbinds;
  std::atomic<uint64_t> notifications;
  /// Calls that a process makes again and again, and that each are a system call on Xen, but not
  /// here.
  std::atomic<uint64_t> free_calls;
  /// Events that were delivered to it. Apart, as others count them.
  alignas(64) std::atomic<uint64_t> events;
};

enum class DomainState : uint32_t { none, alive, dying };

struct DomainEntry {
  std::atomic<DomainState> state;
  Counters counters;
  std::array<PortEntry, kPorts> ports;
  std::array<Region, kRegions> regions;
  std::array<GrantEntry, kGrants> grants;
};

struct Control {
  pthread_mutex_t lock;
  std::atomic<uint64_t> last_handle;
  uint32_t mappings_used;  ///< there has been none from this one on
  std::array<Mapping, kMappings> mappings;
  std::array<DomainEntry, kDomains> domains;
};

}  // namespace tapring::pretend
