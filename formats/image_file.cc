// SPDX-License-Identifier: MIT
#include "formats/image_file.h"

namespace tapring {

FileOptions image_file(const ImageOptions& options, const std::string& path, Caching caching) {
  FileOptions file;
  file.path = path;
  file.read_only = options.read_only;
  file.caching = caching;
  file.audience = options.audience;
  if (options.purpose == Purpose::probe) file.locking = Locking::look;
  if (!options.locked) {
    file.lock.sharing = Sharing::unlocked;
  } else if (options.read_only) {
    file.lock.sharing = Sharing::shared;
  }
  if (!options.read_only) file.lock.fence = options.fence;
  file.needs_locks = options.locked && !options.read_only;
  file.check = [policy = options.files, namer = options.named_by, writes = !options.read_only](
                   const FoundFile& found) { check_allowed(policy, found, namer, writes); };
  return file;
}

}  // namespace tapring
