// SPDX-License-Identifier: MIT
// A guest's ring whose requests stand in a journal from when they are taken until the guest sees
// their responses. journal.h says why a successor finds everything in the two.
#pragma once

#include <cstddef>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ring/back_ring.h"
#include "ring/journal.h"

namespace tapring {

/// One thread.
class JournaledRing : private BackRing {
 public:
  /// Pages and journal memory (see Journal) outlive the ring.
  struct Memory {
    std::span<std::byte> pages;
    Journal::Memory journal;
  };

  struct Taken {
    Request request;
    Journal::Slot slot;
  };

  struct Resumed;

  /// Begins at the response producer: what is behind it was taken by nobody.
  JournaledRing(const Memory& memory, const JournalKey& key)
      : BackRing(memory.pages, key.abi), journal_(memory.journal, key) {}

  /// Goes on where somebody who is gone was interrupted. The error is for people, and says why the
  /// journal is of no use.
  static std::expected<Resumed, std::string> resume(const Memory& memory, const JournalKey& key);

  /// See BackRing::take.
  std::optional<Taken> take() noexcept;

  /// Seen by the guest after push().
  void respond(const Taken& taken, BlkifStatus status) noexcept;

  /// Shows the guest all responses. True if it wants to be notified.
  bool push() noexcept;

  void note_lost_write() noexcept { journal_.note_lost_write(); }

  using BackRing::arm;
  using BackRing::broken;
  using BackRing::has_request;
  using BackRing::in_flight;
  using BackRing::unanswered;

 private:
  JournaledRing(const BackRing& ring, Journal journal)
      : BackRing(ring), journal_(std::move(journal)) {}

  Journal journal_;
};

struct JournaledRing::Resumed {
  JournaledRing ring;
  std::vector<Taken> in_flight;  ///< to be done, or done again
  bool lost_write;               ///< see Journal::note_lost_write
};

}  // namespace tapring
