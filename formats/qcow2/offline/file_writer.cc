// SPDX-License-Identifier: MIT
#include "formats/qcow2/offline/file_writer.h"

#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <system_error>

#include "formats/clusters/aligned_bytes.h"
#include "ring/sizes.h"

namespace tapring::qcow2 {
namespace {

[[noreturn]] void fail(const char* what, const OpenFile& file) {
  throw std::system_error(errno, std::system_category(), what + file.path);
}

}  // namespace

void FileWriter::write(uint64_t offset, std::span<const std::byte> bytes) {
  assert(offset % kSectorBytes == 0 && bytes.size() % kSectorBytes == 0);
  AlignedBytes copy(bytes.size());
  std::ranges::copy(bytes, copy.data());
  for (std::size_t done = 0; done < copy.size();) {
    const ssize_t put = ::pwrite(file_.fd.get(), copy.data() + done, copy.size() - done,
                                 static_cast<off_t>(offset + done));
    if (put < 0 && errno == EINTR) continue;
    if (put == 0) errno = ENOSPC;
    if (put <= 0) fail("write ", file_);
    done += static_cast<std::size_t>(put);
  }
  file_.size_bytes = std::max(file_.size_bytes, offset + bytes.size());
}

void FileWriter::sync() {
  if (::fdatasync(file_.fd.get()) != 0) fail("fdatasync ", file_);
}

}  // namespace tapring::qcow2
