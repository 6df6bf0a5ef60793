// SPDX-License-Identifier: MIT
#include "tests/formats/failing_calls.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cerrno>

namespace tapring {
namespace {

FailingCalls* current = nullptr;

bool fails(bool writes) noexcept {
  const int error = current == nullptr ? 0 : current->draw(writes);
  if (error != 0) errno = error;
  return error != 0;
}

template <typename Function>
Function* of_libc(const char* name) noexcept {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

FailingCalls::FailingCalls(double probability, sim::Random& random) noexcept
    : probability_(probability), random_(random) {
  current = this;
}

FailingCalls::~FailingCalls() {
  current = nullptr;
}

int FailingCalls::draw(bool writes) noexcept {
  if (!random_.chance(probability_)) return 0;
  ++failed_;
  return writes && random_.chance(0.5) ? ENOSPC : EIO;
}

}  // namespace tapring

// In the place of libc's.

extern "C" ssize_t pread(int fd, void* into, size_t bytes, off_t offset) {
  static auto* const real = tapring::of_libc<ssize_t(int, void*, size_t, off_t)>("pread");
  return tapring::fails(false) ? -1 : real(fd, into, bytes, offset);
}

extern "C" ssize_t pwrite(int fd, const void* from, size_t bytes, off_t offset) {
  static auto* const real = tapring::of_libc<ssize_t(int, const void*, size_t, off_t)>("pwrite");
  return tapring::fails(true) ? -1 : real(fd, from, bytes, offset);
}

extern "C" int fdatasync(int fd) {
  static auto* const real = tapring::of_libc<int(int)>("fdatasync");
  return tapring::fails(true) ? -1 : real(fd);
}
