// SPDX-License-Identifier: MIT
#include "daemon/vbd/open_disk.h"

#include <spdlog/spdlog.h>

#include <cstdint>
#include <fstream>
#include <stdexcept>
#include <vector>

#include "daemon/host/fnv1a.h"
#include "daemon/host/progress_log.h"
#include "daemon/vbd/served_files.h"
#include "formats/format.h"
#include "formats/image_name.h"
#include "formats/printable.h"
#include "ring/file_lock.h"
#include "ring/open_file.h"

namespace tapring {
namespace {

/// A hash of the disk's name and this boot of the host. So every tapringd that serves the
/// disk until the next boot uses the same fence, whatever its version, and another disk, here or on
/// a host that shares the storage, uses another.
uint64_t fence_of(const std::string& disk) {
  std::string boot;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), boot);
  return kFirstFence + fnv1a(boot + '/' + disk) % kFirstFence;
}

[[noreturn]] void refuse_another(const std::string& what) {
  throw std::runtime_error(what +
                           " than the disk of its running guest was served from (move that back; "
                           "or detach the disk, which its guest loses then)");
}

/// Refuses an image that is not the one its guest was served from, before it is opened for writing.
void check_image(const OpenRequest& request) {
  ImageName name{request.spec.path, {}};
  do {
    name = split_image_name(name.path);
  } while (!name.selector.empty());
  const auto file = find_file(name.path);
  if (!file) return;  // the driver that opens it will report that
  if (is_served_image(request.served, *file)) return;
  refuse_another(name.path + " is another file");
}

}  // namespace

ImageOptions image_options(const OpenRequest& request, const OpenPolicy& policy) {
  const std::string& mode = request.mode;
  ImageOptions options;
  options.path = request.spec.path;
  options.read_only = mode.find('w') == std::string::npos;
  options.locked = mode.find('!') == std::string::npos;
  if (!options.locked && !options.read_only) options.fence = fence_of(request.disk);
  options.purpose = request.purpose;
  options.may_repair = request.may_repair;
  options.after_kill = request.after_kill;
  options.files = policy.files;
  options.map_cache_bytes = policy.map_cache_bytes;
  return options;
}

std::unique_ptr<OpenImage> open_disk(const OpenRequest& request, const OpenPolicy& policy) {
  check_image(request);
  ImageOptions options = image_options(request, policy);
  ProgressLog log(request.disk + ": " + printable(options.path) +
                  ": its refcounts are being repaired");
  options.repair_progress = [&log](uint64_t done, uint64_t all) { log.show(done, all); };
  auto image = find_format(request.spec.format)->open(options);
  const std::vector<FileId> files = image->files();
  if (!are_served_files(request.served, files)) {
    refuse_another(options.path + " has another backing file or data file");
  }
  if (!are_served_files(request.served, files, {})) {
    spdlog::warn(
        "{}: {}: its file system has changed the inode numbers, so whether it is the file that the "
        "disk was served from cannot be checked",
        request.disk, printable(options.path));
  }
  return image;
}

}  // namespace tapring
