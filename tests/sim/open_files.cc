// SPDX-License-Identifier: MIT
#include "tests/sim/open_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <system_error>

#include "ring/unique_fd.h"

namespace tapring::sim {

/// Of each descriptor of an image: its number and its description.
template <typename Visit>
void SimOpenFiles::visit(Visit visit) {
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const std::string path = std::filesystem::read_symlink(entry.path(), gone);
    if (!images_.contains(path)) continue;
    const int fd = std::stoi(entry.path().filename());
    if ((::fcntl(fd, F_GETFL) & O_PATH) == 0) visit(fd, storage_.opened(path, fd));
  }
}

void SimOpenFiles::claim(ProcessNumber process) {
  visit([&](int /*fd*/, uint64_t description) { owners_.try_emplace(description, process); });
}

void SimOpenFiles::close_of(ProcessNumber process) {
  const UniqueFd nothing(::open("/dev/null", O_RDWR | O_CLOEXEC));
  visit([&](int fd, uint64_t description) {
    const auto owner = owners_.find(description);
    const bool of_kernel = (::fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0;
    if (owner == owners_.end() || owner->second != process || of_kernel) return;
    ::dup3(nothing.get(), fd, O_CLOEXEC);
  });
}

bool SimOpenFiles::has(ProcessNumber process) {
  bool any = false;
  visit([&](int /*fd*/, uint64_t description) {
    const auto owner = owners_.find(description);
    any |= owner != owners_.end() && owner->second == process;
  });
  return any;
}

}  // namespace tapring::sim
