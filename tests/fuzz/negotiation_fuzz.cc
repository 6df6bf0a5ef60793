// SPDX-License-Identifier: MIT
// A frontend's directory of any keys with any values.
#include "daemon/datapath/negotiation.h"

#include <fuzzer/FuzzedDataProvider.h>

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

namespace {

using Keys = std::map<std::string, std::string>;

constexpr std::size_t kLongestError = 300;  ///< it becomes a key of xenstore and a line of the log

const char* const kNames[] = {"protocol", "multi-queue-num-queues", "ring-page-order", "ring-ref",
                              "event-channel"};

std::string key(FuzzedDataProvider& input) {
  const unsigned choice = input.ConsumeIntegral<uint8_t>();
  if (choice < 16) return input.ConsumeRandomLengthString(40);
  std::string name = kNames[choice % std::size(kNames)];
  if (choice & 0x20U) name = "queue-" + std::to_string(choice % 8) + "/" + name;
  if (choice & 0x40U) name += std::to_string(input.ConsumeIntegral<uint8_t>() % 20);
  return name;
}

std::string value(FuzzedDataProvider& input) {
  const unsigned choice = input.ConsumeIntegral<uint8_t>();
  if (choice < 64) return input.ConsumeRandomLengthString(4096);
  if (choice < 128) return std::to_string(input.ConsumeIntegral<uint32_t>());
  if (choice < 192) return std::to_string(choice % 10);
  return choice < 224 ? "x86_32-abi" : "x86_64-abi";
}

void check(const tapring::RingSetup& setup, const tapring::RingOffer& offer) {
  assert(!setup.queues.empty() && setup.queues.size() <= offer.max_queues);
  const std::size_t pages = setup.queues.front().ring_refs.size();
  assert(pages >= 1 && pages <= std::size_t{1} << offer.max_ring_order);
  assert((pages & (pages - 1)) == 0);
  for (const tapring::QueueSetup& queue : setup.queues) assert(queue.ring_refs.size() == pages);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  tapring::RingOffer offer;
  offer.max_queues = input.ConsumeIntegralInRange<uint32_t>(1, 16);
  offer.max_ring_order = input.ConsumeIntegralInRange<uint32_t>(0, tapring::kMaxRingOrder);
  Keys keys;
  while (input.remaining_bytes() > 0) {
    const std::string name = key(input);
    keys[name] = value(input);
  }

  std::size_t reads = 0;
  const auto read = [&](const std::string& name) -> std::optional<std::string> {
    ++reads;
    const auto found = keys.find(name);
    return found == keys.end() ? std::nullopt : std::optional(found->second);
  };
  const auto setup = tapring::negotiate(read, offer);
  // Each is a message to xenstored, for which everybody waits.
  const std::size_t pages = std::size_t{1} << offer.max_ring_order;
  assert(reads <= 4 + offer.max_queues * (pages + 2));
  if (setup) {
    check(*setup, offer);
  } else {
    assert(!setup.error().empty() && setup.error().size() < kLongestError);
  }
  return 0;
}
