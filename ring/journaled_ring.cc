// SPDX-License-Identifier: MIT
#include "ring/journaled_ring.h"

#include <fmt/format.h>

#include <utility>

namespace tapring {

std::expected<JournaledRing::Resumed, std::string> JournaledRing::resume(const Memory& memory,
                                                                         const JournalKey& key) {
  BackRing ring(memory.pages, key.abi);
  auto left = Journal::recover(memory.journal, key, ring.next_response());
  if (!left) return std::unexpected(left.error());
  if (!ring.skip(static_cast<uint32_t>(left->in_flight.size()))) {
    return std::unexpected(fmt::format("it has {} requests in flight, and the ring {}",
                                       left->in_flight.size(), ring.unanswered()));
  }
  Resumed resumed{JournaledRing(ring, std::move(left->journal)), {}, left->lost_write};
  for (const auto& [slot, request] : left->in_flight) resumed.in_flight.push_back({request, slot});
  return resumed;
}

std::optional<JournaledRing::Taken> JournaledRing::take() noexcept {
  const auto request = BackRing::take(journal_.room());
  if (!request) return std::nullopt;
  return Taken{*request, journal_.taken()};
}

void JournaledRing::respond(const Taken& taken, BlkifStatus status) noexcept {
  const uint32_t index = next_response();
  BackRing::respond(taken.request.id, taken.request.operation, status);
  journal_.answered(taken.slot, index);
}

bool JournaledRing::push() noexcept {
  const bool wanted = BackRing::push();
  journal_.shown();
  return wanted;
}

}  // namespace tapring
