// SPDX-License-Identifier: MIT
// A ring whose pages the guest changes between any two calls: the input is what it writes, and what
// is called.
#include "ring/back_ring.h"

#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace {

using tapring::BackRing;

constexpr unsigned kMaxOrder = 2;
constexpr std::size_t kMaxBytes = tapring::kPageBytes << kMaxOrder;
constexpr std::size_t kResponseBytes = 12;

alignas(tapring::kPageBytes) std::array<std::byte, kMaxBytes> memory;
std::array<std::byte, kMaxBytes> before;

class HostilePage {
 public:
  explicit HostilePage(FuzzedDataProvider& input)
      : input_(input),
        pages_(std::span(memory).first(tapring::kPageBytes
                                       << input.ConsumeIntegralInRange<unsigned>(0, kMaxOrder))),
        abi_(input.ConsumeBool() ? tapring::Abi::x86_32 : tapring::Abi::x86_64),
        ring_(start(), abi_) {
    assert(ring_.size() == tapring::ring_entries(abi_, pages_.size() / tapring::kPageBytes));
    assert(ring_.in_flight() == 0 && !ring_.broken());
  }

  void act() {
    std::ranges::copy(pages_, before.begin());
    switch (input_.ConsumeIntegralInRange<unsigned>(0, 6)) {
      case 0:
        write_index();
        break;
      case 1:
        write_anywhere();
        break;
      case 2:
        advance_producer();
        break;
      case 3:
        take();
        break;
      case 4:
        arm();
        break;
      case 5:
        respond();
        break;
      case 6:
        push();
        break;
    }
    assert(ring_.in_flight() <= ring_.size());
    assert(!was_broken_ || ring_.broken());
    was_broken_ = ring_.broken();
    static_cast<void>(ring_.unanswered());
  }

 private:
  std::span<std::byte> start() {
    std::ranges::fill(pages_, std::byte{0});
    input_.ConsumeData(pages_.data(), 16);
    return pages_;
  }

  uint32_t index(std::size_t offset) const {
    uint32_t value;
    std::memcpy(&value, pages_.subspan(offset).data(), sizeof value);
    return value;
  }

  void write_index() {
    const auto offset = input_.ConsumeIntegralInRange<std::size_t>(0, 3) * 4;
    const auto value = input_.ConsumeIntegral<uint32_t>();
    std::memcpy(pages_.subspan(offset).data(), &value, sizeof value);
  }

  void write_anywhere() {
    const auto offset = input_.ConsumeIntegralInRange<std::size_t>(0, pages_.size() - 1);
    const std::vector<std::byte> bytes = input_.ConsumeBytes<std::byte>(
        std::min<std::size_t>(input_.ConsumeIntegral<uint8_t>(), pages_.size() - offset));
    std::ranges::copy(bytes, pages_.subspan(offset).begin());
  }

  /// As a guest in its right mind does, or nearly so.
  void advance_producer() {
    const uint32_t value = index(tapring::SharedRingLayout::request_producer) +
                           input_.ConsumeIntegralInRange<uint32_t>(0, ring_.size() + 1);
    std::memcpy(pages_.data(), &value, sizeof value);
  }

  /// Nothing but the bytes from `offset` on may have been changed.
  void expect_written(std::size_t offset, std::size_t bytes) const {
    const auto same = [this](std::size_t first, std::size_t last) {
      return std::equal(pages_.begin() + static_cast<std::ptrdiff_t>(first),
                        pages_.begin() + static_cast<std::ptrdiff_t>(last),
                        before.begin() + static_cast<std::ptrdiff_t>(first));
    };
    assert(same(0, offset) && same(offset + bytes, pages_.size()));
  }

  void take() {
    const uint32_t in_flight = ring_.in_flight();
    const auto request = ring_.take(copy_);
    assert(!was_broken_ || !request);
    assert(ring_.in_flight() == in_flight + (request ? 1 : 0));
    expect_written(0, 0);
    if (!request) return;
    const std::size_t entry_bytes = tapring::layout_of(abi_).entry_bytes;
    const std::size_t slot = consumer_++ & (ring_.size() - 1);
    const auto entry = std::span(before).subspan(
        tapring::SharedRingLayout::entries + slot * entry_bytes, entry_bytes);
    const tapring::Request expected = tapring::decode_request(abi_, entry);
    assert(request->id == expected.id && request->operation == expected.operation);
    assert(request->sector == expected.sector);
  }

  void arm() {
    const bool more = ring_.arm();
    assert(!was_broken_ || !more);
    expect_written(tapring::SharedRingLayout::request_event, 4);
  }

  void respond() {
    if (ring_.in_flight() == 0) return;
    ring_.respond(input_.ConsumeIntegral<uint64_t>(), input_.ConsumeIntegral<uint8_t>(),
                  tapring::BlkifStatus::error);
    const std::size_t slot = responses_++ & (ring_.size() - 1);
    expect_written(tapring::SharedRingLayout::entries + slot * tapring::layout_of(abi_).entry_bytes,
                   kResponseBytes);
  }

  void push() {
    static_cast<void>(ring_.push());
    expect_written(tapring::SharedRingLayout::response_producer, 4);
  }

  FuzzedDataProvider& input_;
  std::span<std::byte> pages_;
  tapring::Abi abi_;
  BackRing ring_;
  std::array<std::byte, tapring::kLayout64.entry_bytes> copy_{};
  uint32_t consumer_ = index(tapring::SharedRingLayout::response_producer);
  uint32_t responses_ = consumer_;
  bool was_broken_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  HostilePage page(input);
  while (input.remaining_bytes() > 0) page.act();
  return 0;
}
