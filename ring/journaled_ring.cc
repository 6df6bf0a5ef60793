// SPDX-License-Identifier: MIT
#include "ring/journaled_ring.h"

#include <fmt/format.h>

#include <utility>

namespace tapring {

std::expected<JournaledRing::Recovered, std::string> JournaledRing::recover(const Memory& memory,
                                                                            const JournalKey& key) {
  BackRing ring(memory.pages, key.abi);
  auto left = Journal::recover(memory.journal, key, ring.next_response());
  if (!left) return std::unexpected(left.error());
  if (!ring.skip(static_cast<uint32_t>(left->in_flight.size()))) {
    return std::unexpected(fmt::format("it has {} requests in flight, and the ring {}",
                                       left->in_flight.size(), ring.unanswered()));
  }
  Recovered recovered{JournaledRing(ring, std::move(left->journal)), {}, left->data_lost};
  for (const auto& [slot, request] : left->in_flight)
    recovered.in_flight.push_back({request, slot});
  return recovered;
}

std::optional<JournaledRing::Taken> JournaledRing::take() noexcept {
  const auto request = BackRing::take(journal_.next_entry());
  if (!request) return std::nullopt;
  return Taken{*request, journal_.begin()};
}

void JournaledRing::respond(const Taken& taken, BlkifStatus status) noexcept {
  const uint32_t index = next_response();
  BackRing::respond(taken.request.id, taken.request.operation, status);
  journal_.complete(taken.slot, index);
}

bool JournaledRing::push() noexcept {
  const bool wanted = BackRing::push();
  journal_.retire();
  return wanted;
}

}  // namespace tapring
