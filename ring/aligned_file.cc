// SPDX-License-Identifier: MIT
#include "ring/aligned_file.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "ring/scratch_pages.h"
#include "ring/sizes.h"

namespace tapring {
namespace {

uint64_t bytes_of(Buffers buffers) noexcept {
  uint64_t bytes = 0;
  for (const iovec& buffer : buffers) bytes += buffer.iov_len;
  return bytes;
}

}  // namespace

Task<Error> AlignedFile::read(uint64_t offset, Buffers into) {
  if (is_aligned(offset, into)) co_return co_await blocks_->read(offset, into);
  const Extent extent = cover(offset, bytes_of(into));
  const ScratchPages memory(extent.end - extent.begin);
  const iovec whole{memory.data(), extent.end - extent.begin};
  const Error error = co_await blocks_->read(extent.begin, {&whole, 1});
  if (error) co_return error;
  const std::byte* from = memory.data() + (offset - extent.begin);
  for (const iovec& buffer : into) {
    std::memcpy(buffer.iov_base, from, buffer.iov_len);
    from += buffer.iov_len;
  }
  co_return Error{};
}

Task<Error> AlignedFile::write(uint64_t offset, Buffers from) {
  const uint64_t end = offset + bytes_of(from);
  const Extent extent = cover(offset, end - offset);
  RangeLock::Guard guard(lock_, extent.begin, extent.end);
  co_await guard;
  if (is_aligned(offset, from)) co_return co_await blocks_->write(offset, from);
  const ScratchPages memory(extent.end - extent.begin);
  const Error error = co_await read_edges(extent, offset, end, memory.data());
  if (error) co_return error;
  std::byte* to = memory.data() + (offset - extent.begin);
  for (const iovec& buffer : from) {
    std::memcpy(to, buffer.iov_base, buffer.iov_len);
    to += buffer.iov_len;
  }
  const iovec whole{memory.data(), extent.end - extent.begin};
  co_return co_await blocks_->write(extent.begin, {&whole, 1});
}

/// Reads those blocks at the ends of the extent that [offset, end) does not cover.
Task<Error> AlignedFile::read_edges(const Extent& extent, uint64_t offset, uint64_t end,
                                    std::byte* memory) {
  const uint64_t last = extent.end - block_bytes_;
  if (offset != extent.begin) {
    const iovec block{memory, block_bytes_};
    const Error error = co_await blocks_->read(extent.begin, {&block, 1});
    if (error) co_return error;
    if (last == extent.begin) co_return Error{};
  }
  if (end != extent.end) {
    const iovec block{memory + (last - extent.begin), block_bytes_};
    co_return co_await blocks_->read(last, {&block, 1});
  }
  co_return Error{};
}

Task<Error> AlignedFile::discard(uint64_t offset, uint64_t bytes) {
  const Extent extent = cover(offset, bytes);
  RangeLock::Guard guard(lock_, extent.begin, extent.end);
  co_await guard;
  co_return co_await blocks_->discard(offset, bytes);
}

Task<Error> AlignedFile::secure_erase(uint64_t offset, uint64_t bytes) {
  const Extent extent = cover(offset, bytes);
  RangeLock::Guard guard(lock_, extent.begin, extent.end);
  co_await guard;
  co_return co_await blocks_->secure_erase(offset, bytes);
}

/// A part of a block at the end of the file is out of reach.
Task<Result<uint64_t>> AlignedFile::size() {
  const Result<uint64_t> bytes = co_await blocks_->size();
  if (!bytes) co_return bytes;
  co_return *bytes / block_bytes_ * block_bytes_;
}

std::unique_ptr<File> align_file(Loop& loop, std::unique_ptr<File> file, uint32_t block_bytes) {
  if (block_bytes <= kSectorBytes) return file;
  return std::make_unique<AlignedFile>(loop, std::move(file), block_bytes);
}

AlignedFile::Extent AlignedFile::cover(uint64_t offset, uint64_t bytes) const noexcept {
  return {offset / block_bytes_ * block_bytes_,
          (offset + bytes + block_bytes_ - 1) / block_bytes_ * block_bytes_};
}

bool AlignedFile::is_aligned(uint64_t offset, Buffers buffers) const noexcept {
  return offset % block_bytes_ == 0 &&
         std::ranges::all_of(buffers, [this](const iovec& buffer) {
           return buffer.iov_len % block_bytes_ == 0 &&
                  reinterpret_cast<uintptr_t>(buffer.iov_base) % block_bytes_ == 0;
         });
}

}  // namespace tapring
