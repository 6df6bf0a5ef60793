// SPDX-License-Identifier: MIT
#include "ring/direct_io.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <string>
#include <system_error>

#include "ring/queue_limit.h"
#include "ring/scratch_pages.h"
#include "ring/sizes.h"

namespace tapring {
namespace {

// The largest alignment that is served, and what all common storage takes.
constexpr uint32_t kMaxAlign = kPageBytes;

std::string message_of(int error) {
  return std::system_category().message(error);
}

std::optional<uint32_t> stated_alignment(const OpenFile& file) {
  struct statx status {};
  if (::statx(file.fd.get(), "", AT_EMPTY_PATH, STATX_DIOALIGN, &status) != 0) return std::nullopt;
  if ((status.stx_mask & STATX_DIOALIGN) == 0) return std::nullopt;
  if (status.stx_dio_offset_align == 0) return 0;
  return std::max(status.stx_dio_mem_align, status.stx_dio_offset_align);
}

/// btrfs and tmpfs take through the page cache what is not aligned; NFS leaves it to the server.
bool takes_any_alignment(const OpenFile& file) {
  struct statfs status {};
  if (::fstatfs(file.fd.get(), &status) != 0) return false;
  const auto type = static_cast<uint32_t>(status.f_type);
  return type == BTRFS_SUPER_MAGIC || type == NFS_SUPER_MAGIC || type == TMPFS_MAGIC;
}

uint32_t device_block_bytes(const OpenFile& file) {
  int logical = 0;
  if (file.block_device) {
    return ::ioctl(file.fd.get(), BLKSSZGET, &logical) == 0 ? static_cast<uint32_t>(logical) : 0;
  }
  // File systems over several devices have a number that is no device's: then it is not known.
  return static_cast<uint32_t>(queue_limit(file.id.device, "logical_block_size"));
}

/// Whether `unit` bytes of the file, which is O_DIRECT, can be read at `offset` to memory that is
/// aligned to `unit` and to no more. Sets errno where they cannot.
bool reads(const OpenFile& file, std::size_t unit, off_t offset) {
  const ScratchPages memory(2 * kMaxAlign);
  return ::pread(file.fd.get(), memory.data() + unit, unit, offset) >= 0;
}

/// Reads where the file has data, which no file system can do without its storage.
std::optional<bool> reads_sector(const OpenFile& file) {
  const off_t data = ::lseek(file.fd.get(), 0, SEEK_DATA);
  if (data < 0 || static_cast<uint64_t>(data) + 2 * kSectorBytes > file.size_bytes)
    return std::nullopt;
  return reads(file, kSectorBytes, data + off_t{kSectorBytes});
}

DirectFacts facts_of(const OpenFile& file) {
  DirectFacts facts;
  facts.stated = stated_alignment(file);
  if (facts.stated) return facts;
  facts.any_alignment = takes_any_alignment(file);
  facts.device_block_bytes = device_block_bytes(file);
  if (!facts.any_alignment && facts.device_block_bytes == 0) {
    facts.reads_sector = reads_sector(file);
  }
  return facts;
}

/// Sets O_DIRECT. Empty if the file can be used so.
std::string why_not_direct(OpenFile& file) {
  if (::fcntl(file.fd.get(), F_SETFL, O_DIRECT) != 0) {
    return "the filesystem refuses O_DIRECT: " + message_of(errno);
  }
  const DirectFacts facts = facts_of(file);
  const uint32_t unit = dio_align(facts);
  if (unit == 0) return "the filesystem does not do O_DIRECT on this file";
  if (unit > kMaxAlign) return "the storage takes " + std::to_string(unit) + " bytes at a time";
  if (!reads(file, unit, 0)) return "the storage refuses O_DIRECT: " + message_of(errno);
  if (unit == kSectorBytes) return {};
  const std::string size = std::to_string(unit);
  if (file.size_bytes % unit != 0) {
    return "the storage takes " + size + " bytes at a time, and the size is no multiple of that";
  }
  file.dio_align = unit;
  file.notices.push_back("the storage takes " + size +
                         " bytes at a time: what is smaller costs a read");
  return {};
}

}  // namespace

uint32_t dio_align(const DirectFacts& facts) {
  if (facts.stated) return *facts.stated == 0 ? 0 : std::max(*facts.stated, kSectorBytes);
  if (facts.any_alignment) return kSectorBytes;
  if (facts.device_block_bytes != 0) return std::max(facts.device_block_bytes, kSectorBytes);
  return facts.reads_sector.value_or(false) ? kSectorBytes : kMaxAlign;
}

void use_direct(OpenFile& file) {
  const std::string refusal = why_not_direct(file);
  file.direct = refusal.empty();
  if (file.direct) return;
  if (::fcntl(file.fd.get(), F_SETFL, 0) != 0) {
    throw std::system_error(errno, std::system_category(), "fcntl " + file.path);
  }
  file.notices.push_back("through the page cache, not O_DIRECT: " + refusal);
}

void use_page_cache(OpenFile& file, const std::string& reason) {
  if (::fcntl(file.fd.get(), F_SETFL, 0) != 0) {
    throw std::system_error(errno, std::system_category(), "fcntl " + file.path);
  }
  file.direct = false;
  file.dio_align = kSectorBytes;
  file.notices.push_back(file.path + " through the page cache, not O_DIRECT: " + reason);
}

void drop_page_cache(const OpenFile& file) {
  constexpr uint64_t kPiece = uint64_t{16} << 20;
  constexpr std::chrono::milliseconds kPatience{500};
  const auto until = std::chrono::steady_clock::now() + kPatience;
  for (uint64_t at = 0; at < file.size_bytes && std::chrono::steady_clock::now() < until;
       at += kPiece) {
    const auto offset = static_cast<off_t>(at);
    ::sync_file_range(file.fd.get(), offset, kPiece,
                      SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                          SYNC_FILE_RANGE_WAIT_AFTER);
    ::posix_fadvise(file.fd.get(), offset, kPiece, POSIX_FADV_DONTNEED);
  }
}

}  // namespace tapring
