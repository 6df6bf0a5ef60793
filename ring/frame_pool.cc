// SPDX-License-Identifier: MIT
#include "ring/frame_pool.h"

#include <array>
#include <new>
#include <utility>

namespace tapring {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kPooled = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kPooled = false;
#else
constexpr bool kPooled = true;
#endif
#else
constexpr bool kPooled = true;
#endif

constexpr std::size_t kClassBytes = 128;
constexpr std::size_t kClasses = 32;

struct FreeFrame {
  FreeFrame* next;
};

/// A list for each size class. They never shrink while the thread lives.
struct FreeLists {
  std::array<FreeFrame*, kClasses> heads{};

  ~FreeLists() {
    for (FreeFrame* head : heads) {
      while (head != nullptr) {
        FreeFrame* next = head->next;
        ::operator delete(head);
        head = next;
      }
    }
  }
};

thread_local FreeLists free_lists;

constexpr std::size_t class_of(std::size_t bytes) {
  return (bytes + kClassBytes - 1) / kClassBytes;
}

}  // namespace

void* allocate_frame(std::size_t bytes) noexcept {
  const std::size_t size_class = class_of(bytes);
  if (!kPooled || size_class >= kClasses) return ::operator new(bytes, std::nothrow);
  FreeFrame*& head = free_lists.heads[size_class];
  if (head == nullptr) return ::operator new(size_class * kClassBytes, std::nothrow);
  return std::exchange(head, head->next);
}

void free_frame(void* frame, std::size_t bytes) noexcept {
  const std::size_t size_class = class_of(bytes);
  if (!kPooled || size_class >= kClasses) {
    ::operator delete(frame);
    return;
  }
  FreeFrame*& head = free_lists.heads[size_class];
  head = new (frame) FreeFrame{head};
}

}  // namespace tapring
