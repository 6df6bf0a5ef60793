// SPDX-License-Identifier: MIT
// A guest's ring with a journal of each request from when it is taken until the guest sees its
// response. journal.h says why a successor finds everything in the two.
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

  struct Recovered;

  /// Begins at the response producer: nobody has taken the requests behind it.
  JournaledRing(const Memory& memory, const JournalKey& key)
      : BackRing(memory.pages, key.abi), journal_(memory.journal, key) {}

  /// Goes on where a process that is gone was interrupted. The error is for people, and says why
  /// the journal is of no use.
  static std::expected<Recovered, std::string> recover(const Memory& memory, const JournalKey& key);

  /// See BackRing::take.
  std::optional<Taken> take() noexcept;

  /// Seen by the guest after push().
  void respond(const Taken& taken, BlkifStatus status) noexcept;

  /// Shows the guest all responses. True if it wants to be notified.
  bool push() noexcept;

  void mark_data_lost() noexcept { journal_.mark_data_lost(); }

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

struct JournaledRing::Recovered {
  JournaledRing ring;
  std::vector<Taken> in_flight;  ///< to be done, or done again
  bool data_lost;                ///< see Journal::mark_data_lost
};

}  // namespace tapring
