// SPDX-License-Identifier: MIT
#include "tests/sim/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <coroutine>
#include <utility>
#include <vector>

#include "ring/blkif.h"
#include "tests/sim/loop.h"

namespace tapring::sim {
namespace {

// Of the writes of a killed process, how many are done after its end.
constexpr double kLate = 0.5;

uint64_t bytes_of(Buffers buffers) noexcept {
  uint64_t bytes = 0;
  for (const iovec& buffer : buffers) bytes += buffer.iov_len;
  return bytes;
}

/// Moves all of `buffers`; `move` is pread or pwrite of one piece.
template <typename Move>
Error transfer(uint64_t offset, Buffers buffers, Move move) {
  for (const iovec& buffer : buffers) {
    auto* data = static_cast<std::byte*>(buffer.iov_base);
    std::size_t left = buffer.iov_len;
    while (left > 0) {
      const ssize_t moved = move(data, left, static_cast<off_t>(offset));
      if (moved < 0) return system_error_code(errno);
      if (moved == 0) return system_error_code(EIO);
      data += moved;
      offset += static_cast<uint64_t>(moved);
      left -= static_cast<std::size_t>(moved);
    }
  }
  return Error{};
}

std::vector<std::byte> bytes_in(Buffers buffers) {
  std::vector<std::byte> bytes;
  for (const iovec& buffer : buffers) {
    const auto* data = static_cast<const std::byte*>(buffer.iov_base);
    bytes.insert(bytes.end(), data, data + buffer.iov_len);
  }
  return bytes;
}

/// Buffers that are cut in two after so many bytes.
struct Parts {
  Parts(Buffers whole, uint64_t bytes) {
    for (const iovec& buffer : whole) {
      const auto taken = static_cast<std::size_t>(std::min<uint64_t>(bytes, buffer.iov_len));
      bytes -= taken;
      auto* data = static_cast<std::byte*>(buffer.iov_base);
      if (taken > 0) first.push_back({data, taken});
      if (taken < buffer.iov_len) rest.push_back({data + taken, buffer.iov_len - taken});
    }
  }
  std::vector<iovec> first;
  std::vector<iovec> rest;
};

}  // namespace

/// Suspends an operation until the storage completes it, on the file's loop.
class SimFile::Completion {
 public:
  Completion(SimFile& file, const FileOperation& operation) : file_(file), operation_(operation) {}

  bool await_ready() const noexcept { return false; }

  void await_suspend(std::coroutine_handle<> waiter) {
    ++file_.in_flight_;
    ++file_.storage_.files_[file_.file_.path].in_flight;
    ++file_.storage_.operations_;
    file_.storage_.begin(file_.file_.path, operation_.kind, [this, waiter] {
      ask_for_lost_writes();
      file_.loop_.complete([this, waiter] {
        --file_.in_flight_;
        --file_.storage_.files_[file_.file_.path].in_flight;
        waiter.resume();
      });
    });
  }

  Error await_resume() const {
    if (file_.dead_) return system_error_code(EIO);
    const Error error = file_.storage_.outcome(file_.file_.path, operation_);
    return error ? error : lost_;
  }

 private:
  /// The kernel reports it when it completes, however late the loop hears of that.
  void ask_for_lost_writes() {
    if (operation_.kind != FileOperation::Kind::sync || file_.dead_) return;
    lost_ = file_.storage_.take_writeback_error(file_.file_.path, file_.file_.fd.get());
  }

  SimFile& file_;
  FileOperation operation_;
  Error lost_;
};

SimFile::SimFile(SimLoop& loop, SimStorage& storage, OpenFile file)
    : loop_(loop), storage_(storage), file_(std::move(file)) {
  ++storage_.open_files_;
  loop_.files_.push_back(this);
  if (loop_.dead_) {
    die();  // its descriptor is of another file by now
  } else {
    storage_.opened(file_.path, file_.fd.get());
  }
}

SimFile::~SimFile() {
  assert(in_flight_ == 0);
  if (!dead_) --storage_.open_files_;
  std::erase(loop_.files_, this);
}

void SimFile::die() {
  if (storage_.powered_ && in_flight_ > 0) {
    std::vector<LateWrite> late;
    for (const Write& write : writes_) {
      if (loop_.world().random().chance(kLate)) {
        late.push_back({write.offset, bytes_in(write.from)});
      } else {
        write_part(write.offset, write.from);
      }
    }
    storage_.outlive(file_.path, file_.fd.get(), std::move(late));
    // The kernel finishes what was under way, and tells the description that nobody has any more.
    if (syncs_ > 0) storage_.take_writeback_error(file_.path, file_.fd.get());
  }
  dead_ = true;
  --storage_.open_files_;
}

/// As O_DIRECT does with what is not in whole blocks.
bool SimFile::is_aligned(uint64_t offset, Buffers buffers) const {
  const uint64_t block = file_.dio_align;
  if (block == kSectorBytes) return true;
  return offset % block == 0 && std::ranges::all_of(buffers, [block](const iovec& buffer) {
           return buffer.iov_len % block == 0 &&
                  reinterpret_cast<uintptr_t>(buffer.iov_base) % block == 0;
         });
}

/// How many bytes of a transfer are done first, the rest being asked for anew; 0: all at once.
uint64_t SimFile::short_transfer(Buffers buffers) {
  const uint64_t block = std::max<uint64_t>(file_.dio_align, kSectorBytes);
  const uint64_t blocks = bytes_of(buffers) / block;
  const double probability = storage_.behaviour(file_.path).short_probability;
  if (probability == 0 || blocks < 2) return 0;
  Random& random = loop_.world().random();
  return random.chance(probability) ? random.between(1, blocks - 1) * block : 0;
}

Task<Error> SimFile::read(uint64_t offset, Buffers into) {
  if (!is_aligned(offset, into)) co_return system_error_code(EINVAL);
  const uint64_t first = short_transfer(into);
  if (first == 0) co_return co_await read_at_once(offset, into);
  const Parts parts(into, first);
  const Error error = co_await read_at_once(offset, parts.first);
  if (error) co_return error;
  co_return co_await read(offset + first, parts.rest);
}

Task<Error> SimFile::read_at_once(uint64_t offset, Buffers into) {
  const FileOperation operation{FileOperation::Kind::read, offset, bytes_of(into)};
  const Error fault = co_await Completion(*this, operation);
  if (fault) co_return fault;
  const int fd = file_.fd.get();
  co_return transfer(offset, into, [fd](std::byte* data, std::size_t bytes, off_t at) {
    return ::pread(fd, data, bytes, at);
  });
}

Task<Error> SimFile::write(uint64_t offset, Buffers from) {
  if (!is_aligned(offset, from)) co_return system_error_code(EINVAL);
  const uint64_t first = short_transfer(from);
  if (first == 0) co_return co_await write_at_once(offset, from);
  const Parts parts(from, first);
  const Error error = co_await write_at_once(offset, parts.first);
  if (error) co_return error;
  co_return co_await write(offset + first, parts.rest);
}

Task<Error> SimFile::write_at_once(uint64_t offset, Buffers from) {
  const FileOperation operation{FileOperation::Kind::write, offset, bytes_of(from)};
  const bool powered = storage_.powered_;
  const auto place = writes_.insert(writes_.end(), {offset, from});
  const Error fault = co_await Completion(*this, operation);
  writes_.erase(place);
  if (fault) {
    if (powered && !dead_) write_part(offset, from);
    co_return fault;
  }
  const int fd = file_.fd.get();
  storage_.before_write(file_.path, fd, offset, operation.bytes);
  const Error error = transfer(offset, from, [fd](std::byte* data, std::size_t bytes, off_t at) {
    return ::pwrite(fd, data, bytes, at);
  });
  storage_.after_write(file_.path, fd, offset, operation.bytes);
  co_return error;
}

Task<Error> SimFile::sync() {
  const uint64_t covered = storage_.files_[file_.path].writes_done;
  const FileOperation operation{FileOperation::Kind::sync, 0, 0};
  ++syncs_;
  const Error fault = co_await Completion(*this, operation);
  --syncs_;
  if (fault) {
    if (!dead_) storage_.sync_failed(file_.path, covered);
    co_return fault;
  }
  storage_.synced(file_.path, covered);
  co_return Error{};
}

Task<Error> SimFile::discard(uint64_t offset, uint64_t bytes) {
  return punch({FileOperation::Kind::discard, offset, bytes});
}

Task<Error> SimFile::secure_erase(uint64_t offset, uint64_t bytes) {
  return punch({FileOperation::Kind::erase, offset, bytes});
}

Task<Error> SimFile::punch(FileOperation operation) {
  const Error fault = co_await Completion(*this, operation);
  if (fault) co_return fault;
  const int fd = file_.fd.get();
  storage_.before_write(file_.path, fd, operation.offset, operation.bytes);
  const int result = ::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                 static_cast<off_t>(operation.offset),
                                 static_cast<off_t>(operation.bytes));
  const Error error = system_error_code(result == 0 ? 0 : errno);
  storage_.after_write(file_.path, fd, operation.offset, operation.bytes);
  co_return error;
}

Task<Result<uint64_t>> SimFile::size() {
  struct stat status {};
  if (::fstat(file_.fd.get(), &status) != 0) co_return std::unexpected(system_error_code(errno));
  co_return static_cast<uint64_t>(status.st_size);
}

Task<Error> SimFile::close() {
  const int fd = file_.fd.release();
  if (::close(fd) != 0) co_return system_error_code(errno);
  co_return storage_.behaviour(file_.path).close_error;
}

/// Storage tears writes between its blocks, never inside one.
Error SimFile::write_part(uint64_t offset, Buffers from) {
  const uint64_t block = file_.dio_align;
  const uint64_t whole = loop_.world().random().below(bytes_of(from) / block + 1) * block;
  const uint64_t begin = offset;
  uint64_t left = whole;
  storage_.before_write(file_.path, file_.fd.get(), begin, whole);
  for (const iovec& buffer : from) {
    const std::size_t bytes = std::min<std::size_t>(left, buffer.iov_len);
    if (::pwrite(file_.fd.get(), buffer.iov_base, bytes, static_cast<off_t>(offset)) < 0) {
      return system_error_code(errno);
    }
    offset += bytes;
    left -= bytes;
  }
  storage_.after_write(file_.path, file_.fd.get(), begin, whole);
  return Error{};
}

}  // namespace tapring::sim
