// SPDX-License-Identifier: MIT
#include "ring/shared_memory.h"

#include <sys/mman.h>

#include <cerrno>
#include <system_error>

namespace tapring {
namespace {

std::span<std::byte> map(int fd, std::size_t bytes, int flags) {
  void* address = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | flags, fd, 0);
  if (address == MAP_FAILED) {
    throw std::system_error(errno, std::system_category(), "mapping shared memory");
  }
  return {static_cast<std::byte*>(address), bytes};
}

}  // namespace

SharedMemory::SharedMemory(int fd, std::size_t bytes) : bytes_(map(fd, bytes, 0)) {}

SharedMemory::SharedMemory(std::size_t bytes) : bytes_(map(-1, bytes, MAP_ANONYMOUS)) {}

SharedMemory::~SharedMemory() {
  if (!bytes_.empty()) ::munmap(bytes_.data(), bytes_.size());
}

}  // namespace tapring
