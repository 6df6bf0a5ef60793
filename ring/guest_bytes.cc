// SPDX-License-Identifier: MIT
#include "ring/guest_bytes.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <bit>
#include <new>
#include <vector>

namespace tapring {
namespace {

bool dumped = false;

constexpr std::size_t bytes_of(unsigned order) noexcept {
  return GuestBytes::kPageBytes << order;
}

unsigned order_for(std::size_t bytes) noexcept {
  const std::size_t pages = (bytes + GuestBytes::kPageBytes - 1) / GuestBytes::kPageBytes;
  return static_cast<unsigned>(std::bit_width(std::max<std::size_t>(pages, 1) - 1));
}

/// What one thread was given back.
class Kept {
 public:
  Kept() = default;
  Kept(const Kept&) = delete;
  Kept& operator=(const Kept&) = delete;
  ~Kept() {
    for (unsigned order = 0; order < kOrders; ++order) {
      for (std::byte* data : free_[order]) ::munmap(data, bytes_of(order));
    }
  }

  std::byte* take(unsigned order) noexcept {
    if (order >= kOrders || free_[order].empty()) return nullptr;
    std::byte* const data = free_[order].back();
    free_[order].pop_back();
    bytes_ -= bytes_of(order);
    return data;
  }

  bool keep(std::byte* data, unsigned order) {
    if (order >= kOrders || bytes_ + bytes_of(order) > GuestBytes::kKeptBytes) return false;
    free_[order].push_back(data);
    bytes_ += bytes_of(order);
    return true;
  }

 private:
  static constexpr unsigned kOrders = 11;  // up to the most that is kept
  std::array<std::vector<std::byte*>, kOrders> free_;
  std::size_t bytes_ = 0;
};

Kept& kept() {
  thread_local Kept kept;
  return kept;
}

std::byte* map(std::size_t bytes) {
  void* const memory =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  auto* const data = static_cast<std::byte*>(memory);
  leave_out_of_dumps({data, bytes});
  return data;
}

}  // namespace

void dump_guest_bytes() noexcept {
  dumped = true;
}

void leave_out_of_dumps(std::span<std::byte> pages) noexcept {
  if (dumped) return;
  // Fails only for what is not mapped, or not in whole pages.
  ::madvise(pages.data(), pages.size(), MADV_DONTDUMP);
}

GuestBytes::GuestBytes(std::size_t bytes)
    : data_(kept().take(order_for(bytes))), order_(order_for(bytes)) {
  if (data_ == nullptr) data_ = map(bytes_of(order_));
}

GuestBytes::~GuestBytes() {
  if (data_ != nullptr && !kept().keep(data_, order_)) ::munmap(data_, bytes_of(order_));
}

}  // namespace tapring
