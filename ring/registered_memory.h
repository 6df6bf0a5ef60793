// SPDX-License-Identifier: MIT
// Memory that io_uring knows, for read_fixed and write_fixed: that saves the kernel from pinning
// its pages for each request (io_uring_register_buffers(3)).
#pragma once

#include <liburing.h>

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "ring/memory_registry.h"

namespace tapring {

/// Of one ring, which outlives it. One thread only.
class RegisteredMemory final : public MemoryRegistry {
 public:
  explicit RegisteredMemory(io_uring& uring) noexcept : uring_(uring) {}

  /// `told` hears once why the kernel takes no memory (errno); all works without, too.
  void on_refusal(std::function<void(int error)> told) { refused_ = std::move(told); }

  void reserve(std::span<std::byte> all, std::size_t part_bytes) noexcept override;
  void add(std::span<std::byte> part) noexcept override;
  void remove(std::span<std::byte> part) noexcept override;

  /// Whether any part is registered.
  bool holds_any() const noexcept { return registered_ > 0; }

  /// The index of the registered part that contains all of `data`; nullopt if none does.
  std::optional<int> index_of(const void* data, std::size_t bytes) const noexcept;

 private:
  bool update(std::size_t part, std::span<std::byte> memory) noexcept;
  void refuse(int error) noexcept;

  io_uring& uring_;
  std::span<std::byte> all_;
  std::size_t part_bytes_ = 1;
  std::vector<bool> parts_;  ///< those that are registered
  std::size_t registered_ = 0;
  std::function<void(int error)> refused_;
};

}  // namespace tapring
