// SPDX-License-Identifier: MIT
#include "ring/aligned_file.h"

#include <algorithm>
#include <coroutine>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "ring/blkif.h"

namespace tapring {
namespace {

uint64_t bytes_of(Buffers buffers) noexcept {
  uint64_t bytes = 0;
  for (const iovec& buffer : buffers) bytes += buffer.iov_len;
  return bytes;
}

/// Blocks in memory, aligned for O_DIRECT. No more of it than data that guests have in flight.
class Blocks {
 public:
  Blocks(std::size_t bytes, std::size_t alignment)
      : memory_(static_cast<std::byte*>(std::aligned_alloc(alignment, bytes))) {
    if (!memory_) throw std::bad_alloc();
  }
  std::byte* data() const noexcept { return memory_.get(); }

 private:
  struct Free {
    void operator()(std::byte* memory) const noexcept { std::free(memory); }
  };
  std::unique_ptr<std::byte, Free> memory_;
};

}  // namespace

/// The right to change some blocks: held by one write at a time, in the order of asking. Else a
/// block that one write reads, changes in part and writes back would undo what another wrote there.
class AlignedFile::Claim {
 public:
  Claim(AlignedFile& file, const Extent& extent)
      : file_(file), extent_(extent), place_(file.claims_.insert(file.claims_.end(), this)) {}
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;

  ~Claim() {
    const auto later = file_.claims_.erase(place_);
    for (auto claim = later; claim != file_.claims_.end(); ++claim) (*claim)->resume_if_first();
  }

  bool await_ready() const noexcept { return is_first(); }
  void await_suspend(std::coroutine_handle<> waiter) noexcept { waiter_ = waiter; }
  void await_resume() const noexcept {}

 private:
  bool is_first() const noexcept {
    return std::none_of(file_.claims_.begin(), place_, [this](const Claim* earlier) {
      return earlier->extent_.begin < extent_.end && extent_.begin < earlier->extent_.end;
    });
  }

  void resume_if_first() noexcept {
    if (waiter_ && is_first()) file_.loop_.resume_soon(std::exchange(waiter_, nullptr));
  }

  AlignedFile& file_;
  Extent extent_;
  std::list<Claim*>::iterator place_;
  std::coroutine_handle<> waiter_;
};

Task<Error> AlignedFile::read(uint64_t offset, Buffers into) {
  if (is_aligned(offset, into)) co_return co_await blocks_->read(offset, into);
  const Extent extent = cover(offset, bytes_of(into));
  const Blocks memory(extent.end - extent.begin, block_bytes_);
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
  Claim claim(*this, extent);
  co_await claim;
  if (is_aligned(offset, from)) co_return co_await blocks_->write(offset, from);
  const Blocks memory(extent.end - extent.begin, block_bytes_);
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
  Claim claim(*this, cover(offset, bytes));
  co_await claim;
  co_return co_await blocks_->discard(offset, bytes);
}

Task<Error> AlignedFile::secure_erase(uint64_t offset, uint64_t bytes) {
  Claim claim(*this, cover(offset, bytes));
  co_await claim;
  co_return co_await blocks_->secure_erase(offset, bytes);
}

/// What the file has beyond its last whole block is out of reach.
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
