// SPDX-License-Identifier: MIT
#include "daemon/open_disk.h"

#include <fstream>

#include "daemon/progress_log.h"
#include "formats/format.h"
#include "formats/printable.h"
#include "ring/file_lock.h"

namespace tapring {
namespace {

/// The same for each tapringd that serves the disk until the host starts anew, whatever its
/// version; another for any other disk, here and on hosts that share the storage. (FNV-1a)
uint64_t fence_of(const std::string& disk) {
  std::string boot;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), boot);
  uint64_t hash = 0xcbf29ce484222325;
  for (const char character : boot + '/' + disk) {
    hash = (hash ^ static_cast<unsigned char>(character)) * 0x100000001b3;
  }
  return kFirstFence + hash % kFirstFence;
}

}  // namespace

ImageOptions image_options(const OpenRequest& request, const OpenPolicy& policy) {
  const auto& [spec, mode, purpose, disk] = request;
  ImageOptions options;
  options.path = spec.path;
  options.read_only = mode.find('w') == std::string::npos;
  options.locked = mode.find('!') == std::string::npos;
  if (!options.locked && !options.read_only) options.fence = fence_of(disk);
  options.purpose = purpose;
  options.files = policy.files;
  options.map_cache_bytes = policy.map_cache_bytes;
  return options;
}

std::unique_ptr<OpenImage> open_disk(const OpenRequest& request, const OpenPolicy& policy) {
  ImageOptions options = image_options(request, policy);
  ProgressLog log(request.disk + ": " + printable(options.path) +
                  ": its refcounts are being mended");
  options.mending = [&log](uint64_t done, uint64_t all) { log.show(done, all); };
  return find_format(request.spec.format)->open(options);
}

}  // namespace tapring
