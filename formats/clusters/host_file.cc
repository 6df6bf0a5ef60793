// SPDX-License-Identifier: MIT
#include "formats/clusters/host_file.h"

#include <algorithm>

#include "formats/clusters/buffer_slice.h"

namespace tapring {

Task<Error> HostFile::read(uint64_t offset, Buffers into) {
  if (offset + bytes_of(into) <= end_) return file_->read(offset, into);
  return read_to_end(offset, into);
}

Task<Error> HostFile::read_to_end(uint64_t offset, Buffers into) {
  const BufferSlice there = fill_past_end(into, offset, end_);
  if (there.buffers().empty()) co_return Error{};
  co_return co_await file_->read(offset, there.buffers());
}

Task<Error> HostFile::write(uint64_t offset, Buffers from) {
  durability_.note_write();
  if (offset + bytes_of(from) <= end_) return file_->write(offset, from);
  return write_past_end(offset, from);
}

Task<Error> HostFile::write_past_end(uint64_t offset, Buffers from) {
  const Error error = co_await file_->write(offset, from);
  if (!error) end_ = std::max(end_, offset + bytes_of(from));
  co_return error;
}

Task<Error> HostFile::discard(uint64_t offset, uint64_t bytes) {
  const Error unsupported = std::make_error_code(std::errc::operation_not_supported);
  if (!discards_) co_return unsupported;
  const Error error = co_await file_->discard(offset, bytes);
  if (error == unsupported.default_error_condition()) discards_ = false;
  co_return error;
}

}  // namespace tapring
