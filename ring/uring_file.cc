// SPDX-License-Identifier: MIT
#include "ring/uring_file.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <system_error>

#include "ring/offload.h"

namespace tapring {
namespace {

// A file that answers EAGAIN for ever must not keep its guest waiting for ever.
constexpr int kMaxRetries = 1000;

bool is_transient(int result) noexcept {
  return result == -EINTR || result == -EAGAIN;
}

/// Submits what `prepare` makes of an entry, again while the result is transient. `prepare` lives
/// until the task is done.
template <typename Prepare>
Task<Error> submit(UringLoop& loop, const Prepare& prepare) {
  int result = -EINTR;
  for (int retries = 0; is_transient(result) && retries < kMaxRetries; ++retries) {
    UringLoop::Submission submission(loop);
    prepare(submission.sqe());
    result = co_await submission;
  }
  co_return result < 0 ? system_error_code(result) : Error{};
}

}  // namespace

Task<Error> UringFile::read(uint64_t offset, Buffers into) {
  return transfer(UringTransfers::Direction::read, offset, into);
}

Task<Error> UringFile::write(uint64_t offset, Buffers from) {
  return transfer(UringTransfers::Direction::write, offset, from);
}

Task<Error> UringFile::transfer(UringTransfers::Direction direction, uint64_t offset,
                                Buffers buffers) {
  int retries = 0;
  bool unmerged = false;
  for (iovec rest : buffers) {
    while (rest.iov_len > 0) {
      const int result = co_await UringTransfers::Transfer(
          loop_.transfers(), {fd_.get(), direction, offset, rest, unmerged});
      unmerged = result == UringTransfers::kRetryUnmerged;
      if (unmerged) continue;
      if (is_transient(result) && ++retries < kMaxRetries) continue;
      if (result < 0) co_return system_error_code(result);
      // The file has become shorter since it was opened.
      if (result == 0) co_return system_error_code(EIO);
      const auto done = static_cast<std::size_t>(result);
      rest.iov_base = static_cast<std::byte*>(rest.iov_base) + done;
      rest.iov_len -= done;
      offset += done;
    }
  }
  co_return Error{};
}

Task<Error> UringFile::sync() {
  const auto prepare = [this](io_uring_sqe* sqe) {
    io_uring_prep_fsync(sqe, fd_.get(), IORING_FSYNC_DATASYNC);
  };
  co_return co_await submit(loop_, prepare);
}

Task<Error> UringFile::discard(uint64_t offset, uint64_t bytes) {
  const uint64_t begin = (offset + discard_unit_ - 1) / discard_unit_ * discard_unit_;
  const uint64_t end = (offset + bytes) / discard_unit_ * discard_unit_;
  if (begin >= end) co_return Error{};
  const auto prepare = [this, begin, end](io_uring_sqe* sqe) {
    io_uring_prep_fallocate(sqe, fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                            static_cast<off_t>(begin), static_cast<off_t>(end - begin));
  };
  co_return co_await submit(loop_, prepare);
}

Task<Error> UringFile::secure_erase(uint64_t offset, uint64_t bytes) {
  if (!block_device_) co_return std::make_error_code(std::errc::operation_not_supported);
  try {
    std::array<uint64_t, 2> range{offset, bytes};
    co_return system_error_code(co_await BlockingCall(loop_, [fd = fd_.get(), &range] {
      return ::ioctl(fd, BLKSECDISCARD, range.data()) == 0 ? 0 : errno;
    }));
  } catch (const std::system_error& no_thread) {
    co_return no_thread.code();
  }
}

Task<Result<uint64_t>> UringFile::size() {
  if (block_device_) {
    // Does not block: the kernel knows it without asking the device.
    uint64_t bytes = 0;
    const int result = ::ioctl(fd_.get(), BLKGETSIZE64, &bytes);
    if (result < 0) co_return std::unexpected(system_error_code(errno));
    co_return bytes;
  }
  struct statx status {};
  UringLoop::Submission submission(loop_);
  io_uring_prep_statx(submission.sqe(), fd_.get(), "", AT_EMPTY_PATH, STATX_SIZE, &status);
  const int result = co_await submission;
  if (result < 0) co_return std::unexpected(system_error_code(result));
  co_return status.stx_size;
}

Task<Error> UringFile::close() {
  UringLoop::Submission submission(loop_);
  io_uring_prep_close(submission.sqe(), fd_.release());
  const int result = co_await submission;
  co_return result < 0 ? system_error_code(result) : Error{};
}

}  // namespace tapring
