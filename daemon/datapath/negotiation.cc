// SPDX-License-Identifier: MIT
#include "daemon/datapath/negotiation.h"

#include <fmt/format.h>

#include <string_view>

#include "daemon/host/decimal.h"
#include "formats/printable.h"
#include "ring/journal.h"

namespace tapring {
namespace {

using Refusal = std::unexpected<std::string>;

/// Shortened: a guest may write a value that is too long to repeat in the log.
std::string abridged(std::string_view value) {
  constexpr std::size_t kMostQuoted = 64;
  return escaped(value, kMostQuoted);
}

std::expected<uint32_t, std::string> parse_number(const std::string& key,
                                                  const std::optional<std::string>& value) {
  if (!value) return Refusal(fmt::format("the frontend wrote no {}", key));
  const auto number = parse_decimal(*value);
  if (number) return *number;
  return Refusal(
      fmt::format("the frontend's {} is '{}', which is no number", key, abridged(*value)));
}

std::expected<uint32_t, std::string> bounded_number(const FrontendKeys& read,
                                                    const std::string& key, uint32_t least,
                                                    uint32_t most, uint32_t absent) {
  const std::optional<std::string> value = read(key);
  if (!value) return absent;
  const auto number = parse_number(key, value);
  if (number && (*number < least || *number > most)) {
    return Refusal(fmt::format("the frontend's {} is {}, but {} to {} were offered", key, *number,
                               least, most));
  }
  return number;
}

std::expected<Abi, std::string> parse_protocol(const std::string& protocol) {
  // 64-bit Arm lays its requests out like x86_64, and so does 32-bit Arm by definition.
  if (protocol == "x86_64-abi" || protocol == "arm-abi") return Abi::x86_64;
  if (protocol == "x86_32-abi") return Abi::x86_32;
  return Refusal(
      fmt::format("the frontend's protocol is '{}' (known: x86_64-abi, x86_32-abi, arm-abi)",
                  abridged(protocol)));
}

std::expected<QueueSetup, std::string> negotiate_queue(const FrontendKeys& read,
                                                       const std::string& prefix, uint32_t pages) {
  QueueSetup queue;
  // A single page is `ring-ref`, but there are frontends that number it all the same.
  const bool numbered = pages > 1 || !read(prefix + "ring-ref");
  for (uint32_t page = 0; page < pages; ++page) {
    const std::string key = prefix + (numbered ? fmt::format("ring-ref{}", page) : "ring-ref");
    const auto ref = parse_number(key, read(key));
    if (!ref) return Refusal(ref.error());
    queue.ring_refs.push_back(*ref);
  }
  const std::string key = prefix + "event-channel";
  const auto port = parse_number(key, read(key));
  if (!port) return Refusal(port.error());
  queue.event_channel = *port;
  return queue;
}

}  // namespace

std::expected<RingSetup, std::string> negotiate(const FrontendKeys& read, const RingOffer& offer) {
  RingSetup setup;
  setup.protocol = read("protocol").value_or("x86_64-abi");
  const auto abi = parse_protocol(setup.protocol);
  if (!abi) return Refusal(abi.error());
  setup.abi = *abi;

  setup.persistent_grants = offer.persistent_grants && read("feature-persistent") == "1";
  const auto queues = bounded_number(read, "multi-queue-num-queues", 1, offer.max_queues, 1);
  if (!queues) return Refusal(queues.error());
  const auto order = bounded_number(read, "ring-page-order", 0, offer.max_ring_order, 0);
  if (!order) return Refusal(order.error());

  // One queue has its keys at the top, but there are frontends that give it a directory too.
  const bool in_directories = *queues > 1 || !read("event-channel");
  for (uint32_t i = 0; i < *queues; ++i) {
    const std::string prefix = in_directories ? fmt::format("queue-{}/", i) : std::string();
    auto queue = negotiate_queue(read, prefix, 1U << *order);
    if (!queue) return Refusal(queue.error());
    queue->number = i;
    setup.queues.push_back(std::move(*queue));
  }
  return setup;
}

std::size_t RingSetup::journal_bytes(const QueueSetup& queue) const noexcept {
  return Journal::bytes_for(ring_entries(abi, queue.ring_refs.size()));
}

std::size_t max_journal_bytes() noexcept {
  const RingSetup rings;
  QueueSetup queue;
  queue.ring_refs.resize(std::size_t{1} << kMaxRingOrder);
  return rings.journal_bytes(queue);
}

}  // namespace tapring
