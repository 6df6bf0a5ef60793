// SPDX-License-Identifier: MIT
#include "tests/ring/failing_memory.h"

#include <cstdlib>
#include <new>

namespace {

struct Plan {
  bool counts = false;
  bool frames_only = false;
  std::size_t good = 0;
  std::size_t failing = 0;
  bool has_failed = false;

  bool fails() noexcept {
    if (!counts || failing == 0) return false;
    if (good > 0) {
      --good;
      return false;
    }
    --failing;
    has_failed = true;
    return true;
  }
};

thread_local Plan plan;

void* allocate(std::size_t bytes) noexcept {
  return plan.fails() ? nullptr : std::malloc(bytes == 0 ? 1 : bytes);
}

}  // namespace

void* operator new(std::size_t bytes) {
  void* const memory = plan.frames_only ? std::malloc(bytes == 0 ? 1 : bytes) : allocate(bytes);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept { return allocate(bytes); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }

namespace tapring {

FailingMemory::FailingMemory(std::size_t good, std::size_t count, Of what) noexcept {
  plan = {.frames_only = what == Of::frames, .good = good, .failing = count};
}

FailingMemory::~FailingMemory() { plan = {}; }

void FailingMemory::during(const std::function<void()>& work) {
  plan.counts = true;
  work();
  plan.counts = false;
}

bool FailingMemory::has_failed() const noexcept { return plan.has_failed; }

}  // namespace tapring
