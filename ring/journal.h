// SPDX-License-Identifier: MIT
// What a new process needs to finish our work on a ring: the requests that were taken out of it and
// whose responses the guest cannot see yet, in memory that outlives the process.
//
// The order of stores, and why it is right wherever the process ends. A thread is ended between two
// of its instructions, so what it stored before survives, all of it and nothing of what follows;
// only the compiler must keep the order.
//
//   1. A request is copied out of the ring. It stays there as well: its place is not written to
//      before a response has an index as high, and so many are given only for requests taken.
//   2. Its entry is filled in, as it stood in the ring, and then marked as in flight. Before the
//      mark nobody took the request, and the successor finds it in the ring. After it the successor
//      does it, or does it again: what is unanswered may be done twice.
//   3. Its response is written into the ring, and the entry is marked with the response's index.
//      The guest does not look there yet: the successor does the request again.
//   4. The ring's response producer passes the index. By that alone the request is answered, and
//      its entry means nothing more: the successor drops it.
//   5. The entry is marked as free.
//
// How many requests were taken is nowhere: it is the response producer and one for each entry that
// was in flight.
//
// Twice is the same as once only if nothing comes between: what the dead process had under way at
// the storage must have ended before the successor begins. Its lock on the image tells.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ring/request.h"

namespace tapring {

/// At random, anew for each connection of a guest to a disk: its next rings may look the same.
using ConnectionId = std::array<std::byte, 16>;

/// Which ring a journal is of.
struct JournalKey {
  ConnectionId connection{};
  uint32_t queue = 0;
  uint32_t ring_entries = 0;
  Abi abi = Abi::x86_64;

  bool operator==(const JournalKey&) const = default;
};

/// For tests: told between any two stores, as a process may end there.
class JournalWitness {
 public:
  virtual void between_stores() noexcept = 0;

 protected:
  ~JournalWitness() = default;
};

/// One thread, the ring's.
class Journal {
 public:
  /// Where a request stands in the journal, from taken() until shown().
  using Slot = uint32_t;

  struct Recovered;

  /// Shared with whoever comes after us; outlives the journal.
  struct Memory {
    std::span<std::byte> bytes;         ///< aligned to 64
    JournalWitness* witness = nullptr;  ///< for tests
  };

  /// How much memory the journal of a ring takes.
  static std::size_t bytes_for(uint32_t ring_entries) noexcept;

  /// Begins anew, of a ring that has nothing in flight. `memory`: bytes_for(ring_entries).
  Journal(const Memory& memory, const JournalKey& key) noexcept;

  /// Takes up what a process that is gone left in `memory`, of any length and with any content.
  /// `response_producer`: what the guest can see by now. The error is for people, and says why
  /// nothing of it is to be believed.
  static std::expected<Recovered, std::string> recover(const Memory& memory, const JournalKey& key,
                                                       uint32_t response_producer);

  /// Room for the next request as it stands in the ring; the same until taken().
  std::span<std::byte> room() noexcept;

  /// The request in room() was taken out of the ring. To be called before anything is done for it,
  /// and before the next is taken.
  Slot taken() noexcept;

  /// Its response was written into the ring at this index, for shown() to follow.
  void answered(Slot slot, uint32_t response_index) noexcept;

  /// The guest can see all responses that were written.
  void shown() noexcept;

  /// The storage may have lost what was acknowledged: whoever recovers must know, as the kernel
  /// tells it once.
  void note_lost_write() noexcept;

 private:
  struct Header;
  struct Entry;

  explicit Journal(const Memory& memory) noexcept
      : memory_(memory.bytes), witness_(memory.witness) {}

  Header& header() const noexcept;
  Entry& entry(Slot slot) const noexcept;
  std::optional<std::string> why_not(const JournalKey& key) const;
  void store(uint64_t& word, uint64_t value) noexcept;
  void between_stores() const noexcept {
    if (witness_ != nullptr) witness_->between_stores();
  }

  std::span<std::byte> memory_;
  JournalWitness* witness_;
  std::vector<Slot> free_;
  std::vector<Slot> answered_;
};

struct Journal::Recovered {
  struct InFlight {
    Slot slot;
    Request request;  ///< no more to be trusted than when it came out of the ring
  };

  Journal journal;
  std::vector<InFlight> in_flight;  ///< to be done, or done again
  bool lost_write = false;          ///< see note_lost_write()
};

}  // namespace tapring
