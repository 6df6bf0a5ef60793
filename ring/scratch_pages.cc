// SPDX-License-Identifier: MIT
#include "ring/scratch_pages.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <bit>
#include <new>
#include <vector>

#include "ring/sizes.h"

namespace tapring {
namespace {

bool guest_data_is_dumped = false;

constexpr std::size_t bytes_of(unsigned order) noexcept {
  return kPageBytes << order;
}

unsigned order_for(std::size_t bytes) noexcept {
  const std::size_t pages = (bytes + kPageBytes - 1) / kPageBytes;
  return static_cast<unsigned>(std::bit_width(std::max<std::size_t>(pages, 1) - 1));
}

/// The pages that one thread has freed and not unmapped.
class FreePages {
 public:
  FreePages() = default;
  FreePages(const FreePages&) = delete;
  FreePages& operator=(const FreePages&) = delete;
  ~FreePages() {
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
    if (order >= kOrders || bytes_ + bytes_of(order) > ScratchPages::kFreeBytes) return false;
    free_[order].push_back(data);
    bytes_ += bytes_of(order);
    return true;
  }

 private:
  static constexpr unsigned kOrders = 11;  // up to kFreeBytes in one block
  std::array<std::vector<std::byte*>, kOrders> free_;
  std::size_t bytes_ = 0;
};

FreePages& free_pages() {
  thread_local FreePages pages;
  return pages;
}

std::byte* map(std::size_t bytes) {
  void* const memory =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  auto* const data = static_cast<std::byte*>(memory);
  exclude_from_dumps({data, bytes});
  return data;
}

}  // namespace

void include_guest_data_in_dumps() noexcept {
  guest_data_is_dumped = true;
}

void exclude_from_dumps(std::span<std::byte> pages) noexcept {
  if (guest_data_is_dumped) return;
  // Fails only for what is not mapped, or not in whole pages.
  ::madvise(pages.data(), pages.size(), MADV_DONTDUMP);
}

ScratchPages::ScratchPages(std::size_t bytes)
    : data_(free_pages().take(order_for(bytes))), order_(order_for(bytes)) {
  if (data_ == nullptr) data_ = map(bytes_of(order_));
}

ScratchPages::~ScratchPages() {
  if (data_ != nullptr && !free_pages().keep(data_, order_)) ::munmap(data_, bytes_of(order_));
}

}  // namespace tapring
