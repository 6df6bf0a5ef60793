// SPDX-License-Identifier: MIT
#include "tests/sim/front_ring.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>

namespace tapring::sim {
namespace {

// The indices lie at the same places in every ABI.
constexpr std::size_t kReqProd = offsetof(GuestRing<Guest64>, req_prod);
constexpr std::size_t kReqEvent = offsetof(GuestRing<Guest64>, req_event);
constexpr std::size_t kRspProd = offsetof(GuestRing<Guest64>, rsp_prod);
constexpr std::size_t kRspEvent = offsetof(GuestRing<Guest64>, rsp_event);
constexpr std::size_t kEntries = offsetof(GuestRing<Guest64>, ring);
static_assert(kEntries == offsetof(GuestRing<Guest32>, ring));

template <typename Guest>
uint32_t entries(std::size_t bytes) {
  return static_cast<uint32_t>(std::bit_floor((bytes - kEntries) / sizeof(typename Guest::Entry)));
}

template <typename Guest>
typename Guest::Entry encode(const FrontRequest& request) {
  typename Guest::Entry entry;
  std::memset(&entry, 0xEE, sizeof entry);  // what padding holds must not matter
  if (request.operation == kGuestIndirect) {
    auto& indirect = entry.indirect;
    indirect.operation = request.operation;
    indirect.indirect_op = request.inner_operation;
    indirect.nr_segments = request.segment_count;
    indirect.id = request.id;
    indirect.sector_number = request.sector;
    indirect.handle = request.handle;
    std::memcpy(indirect.indirect_grefs, request.indirect_refs.data(),
                sizeof indirect.indirect_grefs);
  } else if (request.operation == kGuestDiscard) {
    auto& discard = entry.discard;
    discard.operation = request.operation;
    discard.flag = request.discard_flag;
    discard.handle = request.handle;
    discard.id = request.id;
    discard.sector_number = request.sector;
    discard.nr_sectors = request.discard_sectors;
  } else {
    auto& direct = entry.request;
    direct.operation = request.operation;
    direct.nr_segments = static_cast<uint8_t>(request.segment_count);
    direct.handle = request.handle;
    direct.id = request.id;
    direct.sector_number = request.sector;
    std::memcpy(direct.seg, request.segments.data(), sizeof direct.seg);
  }
  return entry;
}

}  // namespace

FrontRing::FrontRing(std::span<std::byte> pages, Abi abi) noexcept
    : pages_(pages), abi_(abi),
      size_(abi == Abi::x86_32 ? entries<Guest32>(pages.size()) : entries<Guest64>(pages.size())) {
  std::ranges::fill(pages_, std::byte{0});
  store(kReqEvent, 1);
  store(kRspEvent, 1);
}

void FrontRing::put(const FrontRequest& request) noexcept {
  std::byte* slot = entry(request_producer_++);
  if (abi_ == Abi::x86_32) {
    const Guest32::Entry bytes = encode<Guest32>(request);
    std::memcpy(slot, &bytes, sizeof bytes);
  } else {
    const Guest64::Entry bytes = encode<Guest64>(request);
    std::memcpy(slot, &bytes, sizeof bytes);
  }
}

bool FrontRing::push() noexcept {
  const uint32_t before = requests_pushed_;
  store(kReqProd, request_producer_);
  requests_pushed_ = request_producer_;
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return request_producer_ - load(kReqEvent) < request_producer_ - before;
}

std::optional<GuestResponse> FrontRing::take() noexcept {
  if (overflowed() || load(kRspProd) == response_consumer_) return std::nullopt;
  GuestResponse response;
  std::memcpy(&response, entry(response_consumer_++), sizeof response);
  return response;
}

bool FrontRing::arm() noexcept {
  store(kRspEvent, response_consumer_ + 1);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return load(kRspProd) != response_consumer_;
}

void FrontRing::set_producer(uint32_t value) noexcept { store(kReqProd, value); }

uint32_t FrontRing::answered_by_backend() const noexcept { return load(kRspProd); }

bool FrontRing::overflowed() const noexcept {
  return load(kRspProd) - response_consumer_ > in_flight();
}

uint32_t FrontRing::load(std::size_t index) const noexcept {
  auto& word = *reinterpret_cast<uint32_t*>(pages_.data() + index);
  return std::atomic_ref(word).load(std::memory_order_acquire);
}

void FrontRing::store(std::size_t index, uint32_t value) noexcept {
  auto& word = *reinterpret_cast<uint32_t*>(pages_.data() + index);
  std::atomic_ref(word).store(value, std::memory_order_release);
}

std::byte* FrontRing::entry(uint32_t index) const noexcept {
  const std::size_t bytes = abi_ == Abi::x86_32 ? sizeof(Guest32::Entry) : sizeof(Guest64::Entry);
  return pages_.data() + kEntries + (index & (size_ - 1)) * bytes;
}

}  // namespace tapring::sim
