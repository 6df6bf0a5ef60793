// SPDX-License-Identifier: MIT
#include "daemon/vbd/blkback_storage.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <string_view>
#include <system_error>

namespace tapring {
namespace {

constexpr std::string_view kDeleted = " (deleted)";  // Linux, fs/d_path.c

std::string differs(const BlockDevice& device, const ServedFile& image) {
  return fmt::format("{} is another file than that of {}, which is {}", image.path, device.path,
                     device.loop->file);
}

}  // namespace

std::string why_not_whole(const BlockDevice& device, const ServedFile& image) {
  if (device.id == image.file) return {};
  if (!device.loop) return fmt::format("xen-blkback's {} is not {}", device.path, image.path);
  const auto& [file, offset, size_limit] = *device.loop;
  if (file.empty()) {
    return fmt::format("{} has no file any more (losetup {} {})", device.path, device.path,
                       image.path);
  }
  if (file.ends_with(kDeleted)) {
    return differs(device, image) + fmt::format(
                                        " (detach the disk before the files change; what "
                                        "is in the deleted one can be read from {})",
                                        device.path);
  }
  if (offset == 0 && size_limit == 0) return {};
  return fmt::format("{} shows a part of {} only: offset {}, size limit {}", device.path, file,
                     offset, size_limit);
}

std::string why_another_file(const BlockDevice& device, const ServedFile& image) {
  if (std::string why = why_not_whole(device, image); !why.empty()) return why;
  if (device.id == image.file) return {};
  const std::string& path = device.loop->file;
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) {
    return fmt::format("{}, the file of {}, cannot be compared with {}: {}", path, device.path,
                       image.path, std::system_category().message(errno));
  }
  if (file_id_of(status) == image.file) return {};
  return fmt::format("{} (move that to {}, or detach the disk)", differs(device, image),
                     image.path);
}

std::string why_smaller(const BlockDevice& device, uint64_t disk_bytes) {
  if (device.size_bytes >= disk_bytes) return {};
  return fmt::format("its disk has {} bytes, and {} only {} (losetup -c {})", disk_bytes,
                     device.path, device.size_bytes, device.path);
}

}  // namespace tapring
