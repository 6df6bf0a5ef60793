// SPDX-License-Identifier: MIT
// What a successor process needs to finish our work on a ring: the requests that were taken out of
// the ring and whose responses the guest cannot see yet, in memory that outlives the process.
//
// The order of stores, and why it is right wherever the process ends. A killed thread stops between
// two of its instructions: all that it stored before survives, and nothing after. So only the
// compiler must keep the order.
//
//   1. A request is copied out of the ring. It also stays there: its slot of the ring is written to
//      only by the response of that index, and there are only as many responses as requests taken.
//   2. Its entry is filled with the bytes as they were in the ring, and then marked as in flight.
//      Until the mark nobody has taken the request, and the successor finds it in the ring. From
//      then on the successor does it, perhaps a second time: what is unanswered may be done twice.
//   3. Its response is written into the ring, and the entry is marked with the response's index.
//      The guest does not read it yet: the successor does the request again.
//   4. The ring's response producer passes the index. That alone makes the request answered, and
//      its entry is worth nothing from then on: the successor frees it.
//   5. The entry is marked as free.
//
// How many requests were taken is not stored: it is the response producer plus the number of
// entries in flight.
//
// To do a request twice is the same as once only if no other comes between: all that the dead
// process had given to the storage must have ended before the successor begins. The lock on the
// image, which lasts as long, makes sure of that.
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

/// Random, and new for each connection of a guest to a disk, whose next rings may look the same.
using ConnectionId = std::array<std::byte, 16>;

/// Which ring a journal is of.
struct JournalKey {
  ConnectionId connection{};
  uint32_t queue = 0;
  uint32_t ring_entries = 0;
  Abi abi = Abi::x86_64;

  bool operator==(const JournalKey&) const = default;
};

/// For tests: called between any two stores, where a process may end.
class JournalObserver {
 public:
  virtual void between_stores() noexcept = 0;

 protected:
  ~JournalObserver() = default;
};

/// One thread, the ring's.
class Journal {
 public:
  /// The entry of a request, from begin() until retire().
  using Slot = uint32_t;

  struct Recovered;

  /// Shared with whoever comes after us; outlives the journal.
  struct Memory {
    std::span<std::byte> bytes;         ///< aligned to 64
    JournalObserver* observer = nullptr;  ///< for tests
  };

  /// How much memory the journal of a ring takes.
  static std::size_t bytes_for(uint32_t ring_entries) noexcept;

  /// A new journal, of a ring with nothing in flight. `memory`: bytes_for(ring_entries).
  Journal(const Memory& memory, const JournalKey& key) noexcept;

  /// Reads what a process that is gone left in `memory`, of any length and with any content.
  /// `response_producer`: up to where the guest sees responses. The error is for people, and says
  /// why nothing of it can be believed.
  static std::expected<Recovered, std::string> recover(const Memory& memory, const JournalKey& key,
                                                       uint32_t response_producer);

  /// Where to copy the next request out of the ring; the same until begin().
  std::span<std::byte> next_entry() noexcept;

  /// The request in next_entry() was taken out of the ring. To be called before anything is done
  /// for it, and before the next is taken.
  Slot begin() noexcept;

  /// Its response was written into the ring at this index, where the guest does not see it yet.
  void complete(Slot slot, uint32_t response_index) noexcept;

  /// The guest can see the responses of all completed requests: frees their entries.
  void retire() noexcept;

  /// The storage may have lost what was acknowledged. A successor must know, as the kernel reports
  /// it only once. For any thread.
  void mark_data_lost() noexcept;

 private:
  struct Header;
  struct Entry;

  explicit Journal(const Memory& memory) noexcept
      : memory_(memory.bytes), observer_(memory.observer) {}

  Header& header() const noexcept;
  Entry& entry(Slot slot) const noexcept;
  std::optional<std::string> why_not(const JournalKey& key) const;
  void store(uint64_t& word, uint64_t value) noexcept;
  void between_stores() const noexcept {
    if (observer_ != nullptr) observer_->between_stores();
  }

  std::span<std::byte> memory_;
  JournalObserver* observer_;
  std::vector<Slot> free_;
  std::vector<Slot> completed_;
};

struct Journal::Recovered {
  struct InFlight {
    Slot slot;
    Request request;  ///< as untrusted as when it came out of the ring
  };

  Journal journal;
  std::vector<InFlight> in_flight;  ///< to be done, or done again
  bool data_lost = false;           ///< see mark_data_lost()
};

}  // namespace tapring
