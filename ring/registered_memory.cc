// SPDX-License-Identifier: MIT
#include "ring/registered_memory.h"

#include <cerrno>
#include <exception>
#include <utility>

namespace tapring {

void RegisteredMemory::reserve(std::span<std::byte> all, std::size_t part_bytes) noexcept try {
  std::vector<bool> parts((all.size() + part_bytes - 1) / part_bytes);
  const int error =
      io_uring_register_buffers_sparse(&uring_, static_cast<unsigned>(parts.size()));
  if (error < 0) return refuse(-error);
  all_ = all;
  part_bytes_ = part_bytes;
  parts_ = std::move(parts);
} catch (const std::exception&) {
  refuse(ENOMEM);
}

void RegisteredMemory::add(std::span<std::byte> part) noexcept {
  if (all_.empty()) return;
  const std::size_t index = static_cast<std::size_t>(part.data() - all_.data()) / part_bytes_;
  parts_[index] = update(index, part);
  if (parts_[index]) ++registered_;
}

void RegisteredMemory::remove(std::span<std::byte> part) noexcept {
  if (all_.empty()) return;
  const std::size_t index = static_cast<std::size_t>(part.data() - all_.data()) / part_bytes_;
  if (!parts_[index]) return;
  update(index, {});
  parts_[index] = false;
  --registered_;
}

/// An empty one in place of what is there.
bool RegisteredMemory::update(std::size_t part, std::span<std::byte> memory) noexcept {
  const iovec buffer{memory.data(), memory.size()};
  const __u64 tag = 0;
  const int updated = io_uring_register_buffers_update_tag(&uring_, static_cast<unsigned>(part),
                                                           &buffer, &tag, 1);
  if (updated < 0) refuse(-updated);
  return updated == 1;
}

void RegisteredMemory::refuse(int error) noexcept {
  if (refused_) std::exchange(refused_, nullptr)(error);
}

std::optional<int> RegisteredMemory::index_of(const void* data, std::size_t bytes) const noexcept {
  const auto* begin = static_cast<const std::byte*>(data);
  if (bytes == 0 || begin < all_.data()) return std::nullopt;
  const auto offset = static_cast<std::size_t>(begin - all_.data());
  if (offset + bytes > all_.size()) return std::nullopt;
  const std::size_t index = offset / part_bytes_;
  if ((offset + bytes - 1) / part_bytes_ != index || !parts_[index]) return std::nullopt;
  return static_cast<int>(index);
}

}  // namespace tapring
