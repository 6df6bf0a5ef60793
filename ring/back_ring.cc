// SPDX-License-Identifier: MIT
#include "ring/back_ring.h"

#include <atomic>
#include <cassert>
#include <cstring>

namespace tapring {
namespace {

template <typename Word>
void copy_words(std::span<const std::byte> shared, std::span<std::byte> copy) noexcept {
  const auto* words = reinterpret_cast<const volatile Word*>(shared.data());
  for (std::size_t i = 0; i < copy.size() / sizeof(Word); ++i) {
    const Word word = words[i];
    std::memcpy(copy.data() + i * sizeof word, &word, sizeof word);
  }
}

/// Copies out of shared memory reading each word exactly once: they are volatile, so that the
/// compiler neither repeats nor drops a read. Entries are aligned to a word of their length.
void copy_once(std::span<const std::byte> shared, std::span<std::byte> copy) noexcept {
  if (copy.size() % sizeof(uint64_t) == 0) {
    copy_words<uint64_t>(shared, copy);
  } else {
    static_assert(kLayout32.entry_bytes % sizeof(uint32_t) == 0);
    copy_words<uint32_t>(shared, copy);
  }
}

}  // namespace

BackRing::BackRing(std::span<std::byte> pages, Abi abi) noexcept
    : pages_(pages), abi_(abi), size_(ring_entries(abi, pages.size() / kPageBytes)) {
  response_producer_ = load_index(SharedRingLayout::response_producer);
  responses_pushed_ = response_producer_;
  request_consumer_ = response_producer_;
}

std::optional<Request> BackRing::take(std::span<std::byte> copy) noexcept {
  if (broken_) return std::nullopt;
  const uint32_t producer = load_index(SharedRingLayout::request_producer);
  // Counted from the responses that the guest sees: an honest guest never gets ahead of those.
  if (producer - responses_pushed_ > size_) {
    broken_ = true;
    return std::nullopt;
  }
  // A producer that went backwards looks like more requests than the ring holds, or like none.
  if (producer == request_consumer_) return std::nullopt;
  if (producer - request_consumer_ > size_) {
    broken_ = true;
    return std::nullopt;
  }
  const auto bytes = copy.first(layout_of(abi_).entry_bytes);
  copy_once(entry(request_consumer_), bytes);
  ++request_consumer_;
  return decode_request(abi_, bytes);
}

bool BackRing::skip(uint32_t taken) noexcept {
  const uint32_t there = unanswered();
  if (taken > there || there > size_) return false;
  request_consumer_ = response_producer_ + taken;
  return true;
}

bool BackRing::has_request() const noexcept {
  return !broken_ && load_index(SharedRingLayout::request_producer) != request_consumer_;
}

bool BackRing::arm() noexcept {
  if (broken_) return false;
  store_index(SharedRingLayout::request_event, request_consumer_ + 1);
  // The event index must be visible before the producer is read, or both sides may sleep.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return load_index(SharedRingLayout::request_producer) != request_consumer_;
}

void BackRing::respond(uint64_t id, uint8_t operation, BlkifStatus status) noexcept {
  assert(in_flight() > 0);
  // Field by field: the padding of a whole struct would leak bytes of our stack (XSA-216).
  const std::span<std::byte> slot = entry(response_producer_);
  std::memcpy(slot.subspan(ResponseLayout::id, sizeof id).data(), &id, sizeof id);
  slot[ResponseLayout::operation] = std::byte{operation};
  std::memcpy(slot.subspan(ResponseLayout::status, sizeof status).data(), &status, sizeof status);
  ++response_producer_;
}

bool BackRing::push() noexcept {
  const uint32_t before = responses_pushed_;
  if (before == response_producer_) return false;
  store_index(SharedRingLayout::response_producer, response_producer_);
  responses_pushed_ = response_producer_;
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const uint32_t wanted = load_index(SharedRingLayout::response_event);
  return response_producer_ - wanted < response_producer_ - before;
}

uint32_t BackRing::unanswered() const noexcept {
  return load_index(SharedRingLayout::request_producer) - response_producer_;
}

uint32_t BackRing::load_index(std::size_t offset) const noexcept {
  auto& index = *reinterpret_cast<uint32_t*>(pages_.subspan(offset, 4).data());
  return std::atomic_ref(index).load(std::memory_order_acquire);
}

void BackRing::store_index(std::size_t offset, uint32_t value) noexcept {
  auto& index = *reinterpret_cast<uint32_t*>(pages_.subspan(offset, 4).data());
  std::atomic_ref(index).store(value, std::memory_order_release);
}

std::span<std::byte> BackRing::entry(uint32_t index) const noexcept {
  const std::size_t bytes = layout_of(abi_).entry_bytes;
  return pages_.subspan(SharedRingLayout::entries + (index & (size_ - 1)) * bytes, bytes);
}

}  // namespace tapring
