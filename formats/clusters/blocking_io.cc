// SPDX-License-Identifier: MIT
#include "formats/clusters/blocking_io.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "formats/image_file.h"
#include "ring/direct_io.h"
#include "ring/sizes.h"

namespace tapring {

namespace {

/// Why the file is used through the page cache although its storage supports O_DIRECT; empty if it
/// need not be. With O_DIRECT a write at the end of the file must fill whole blocks.
std::string why_not_direct(const OpenFile& file, const ImageOptions& options) {
  const bool will_be_filled = !options.read_only && options.purpose == Purpose::probe;
  if (file.size_bytes % kSectorBytes != 0 && !will_be_filled) {
    return "its size is no multiple of 512";
  }
  if (file.dio_align > kSectorBytes && !options.read_only) {
    return "the storage takes 4096 bytes at a time";
  }
  return {};
}

}  // namespace

/// QEMU leaves files that end within a sector. This only ever makes a file longer, even if another
/// process does so at the same time. Where it fails, the file stays as it is.
void fill_last_sector(OpenFile& file) noexcept {
  const uint64_t rest = file.size_bytes % kSectorBytes;
  if (rest == 0 || file.block_device) return;
  const auto end = static_cast<off_t>(file.size_bytes);
  if (::fallocate(file.fd.get(), 0, end, static_cast<off_t>(kSectorBytes - rest)) != 0) return;
  file.size_bytes += kSectorBytes - rest;
}

OpenFile open_host_file(const ImageOptions& options, const std::string& path) {
  OpenFile file = open_file(image_file(options, path, Caching::direct));
  if (!file.direct) return file;
  const bool may_write = !options.read_only && options.purpose == Purpose::service;
  if (may_write) fill_last_sector(file);
  const std::string reason = why_not_direct(file, options);
  if (!reason.empty()) use_page_cache(file, reason);
  return file;
}

AlignedBytes read_bytes(const OpenFile& file, uint64_t offset, std::size_t bytes) {
  if (bytes == 0) return {};
  constexpr std::size_t kBlock = AlignedBytes::kAlignment;
  const uint64_t begin = offset / kBlock * kBlock;
  const uint64_t end = (offset + bytes + kBlock - 1) / kBlock * kBlock;
  AlignedBytes read(end - begin);
  for (std::size_t done = 0; done < read.size();) {
    const ssize_t got = ::pread(file.fd.get(), read.data() + done, read.size() - done,
                                static_cast<off_t>(begin + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw std::system_error(errno, std::system_category(), "read " + file.path);
    // At the end of a file O_DIRECT reads less than a whole block.
    if (got == 0 || static_cast<std::size_t>(got) % kSectorBytes != 0) break;
    done += static_cast<std::size_t>(got);
  }
  if (begin == offset && read.size() == bytes) return read;
  AlignedBytes wanted(bytes);
  std::memcpy(wanted.data(), read.data() + (offset - begin), bytes);
  return wanted;
}

uint64_t allocated_bytes(const OpenFile& file) noexcept {
  struct stat status {};
  if (file.block_device || ::fstat(file.fd.get(), &status) != 0) return file.size_bytes;
  return static_cast<uint64_t>(status.st_blocks) * 512;
}

bool may_have_data(const OpenFile& file, uint64_t offset, uint64_t bytes) noexcept {
  const off_t data = ::lseek(file.fd.get(), static_cast<off_t>(offset), SEEK_DATA);
  if (data < 0) return errno != ENXIO;
  return static_cast<uint64_t>(data) < offset + bytes;
}

}  // namespace tapring
