// SPDX-License-Identifier: MIT
#include "daemon/vbd/worker_walls.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <system_error>
#include <thread>

#include "daemon/host/landlock.h"
#include "daemon/host/system_call_filter.h"
#include "ring/unique_fd.h"

namespace tapring {
namespace {

namespace fs = std::filesystem;
using Access = Landlock::Access;

// A device of Xen. Where it is not, other libraries stand in place of the system's.
constexpr const char* kGrantDevice = "/dev/xen/gntdev";

// That directories of images have to answer. The next worker may find them.
constexpr std::chrono::seconds kPatience{2};

// Where it is told which locks there are, how storage is cut into blocks, who xen-blkback serves,
// and what time it is here.
constexpr const char* kRead[] = {"/proc", "/sys", "/etc/localtime", "/usr/share/zoneinfo"};
// xen-blkback is told to let go of a disk.
constexpr const char* kWritten[] = {"/dev/xen", "/sys/bus/xen-backend",
                                    "/sys/module/xen_blkback/parameters"};

UniqueFd open_place(const fs::path& path) {
  return UniqueFd(::open(path.c_str(), O_PATH | O_CLOEXEC));
}

/// Of those that are there and answer in time. Each is opened by a thread of its own: storage that
/// hangs must not keep a guest from disks elsewhere.
std::vector<UniqueFd> open_places(const std::vector<fs::path>& paths) {
  struct Opening {
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<UniqueFd> places;
    std::size_t awaited;
  };
  const auto opening = std::make_shared<Opening>();
  opening->places.resize(paths.size());
  opening->awaited = paths.size();
  for (std::size_t i = 0; i < paths.size(); ++i) {
    std::thread([opening, path = paths[i], i] {
      UniqueFd place = open_place(path);
      const std::lock_guard lock(opening->mutex);
      opening->places[i] = std::move(place);
      --opening->awaited;
      opening->changed.notify_one();
    }).detach();
  }
  std::unique_lock lock(opening->mutex);
  opening->changed.wait_for(lock, kPatience, [&] { return opening->awaited == 0; });
  std::vector<UniqueFd> places = std::move(opening->places);
  opening->places.resize(paths.size());  // for those that are late
  return places;
}

bool lies_under(const fs::path& path, const fs::path& directory) {
  const auto [end, rest] = std::ranges::mismatch(directory, path);
  return end == directory.end();
}

/// Guests are served all the same.
void lacks(const char* wall, const char* reason) {
  spdlog::warn("no {} ({}): a worker process that is taken over has one wall less", wall, reason);
}

}  // namespace

WorkerWalls::WorkerWalls(const Options& options) : image_directories_(options.image_directories) {
  const bool on_xen = fs::exists(kGrantDevice);
  try {
    if (on_xen) restrict_files(options);
  } catch (const std::system_error& error) {
    places_.clear();
    lacks("Landlock", error.what());
  }
  try {
    filter_system_calls(on_xen ? XenLibraries::of_system : XenLibraries::replaced);
  } catch (const std::system_error& error) {
    lacks("seccomp", error.what());
  }
}

void WorkerWalls::restrict_files(const Options& options) {
  auto files = Landlock::make();
  if (!files) return lacks("Landlock", "this kernel does not offer it");
  const std::vector<fs::path> paths =
      options.image_directories.empty() ? std::vector<fs::path>{"/"} : options.image_directories;
  const std::vector<UniqueFd> opened = open_places(paths);
  for (std::size_t i = 0; i < paths.size(); ++i) {
    Place& place = places_.emplace_back(paths[i], std::nullopt);
    if (!opened[i]) continue;
    files->allow(opened[i], Access::write);
    place.identity = identity_of(opened[i]);
  }
  for (const char* path : kRead) files->allow(fs::path(path), Access::read);
  for (const char* path : kWritten) files->allow(fs::path(path), Access::write);
  files->restrict_thread();
}

WorkerWalls::Identity WorkerWalls::identity_of(const UniqueFd& place) {
  struct stat status {};
  ::fstat(place.get(), &status);
  return {status.st_dev, status.st_ino};
}

bool WorkerWalls::are_of(const Options& options) const {
  return places_.empty() || options.image_directories == image_directories_;
}

/// Blocks for as long as the storage does.
bool WorkerWalls::are_outdated(const fs::path& image) const {
  return std::ranges::any_of(places_, [&image](const Place& place) {
    if (!lies_under(image, place.path)) return false;
    const UniqueFd now = open_place(place.path);
    return now && identity_of(now) != place.identity;
  });
}

DiskOpener WorkerWalls::explaining(DiskOpener open, std::function<void()> outdated) const {
  return [this, open = std::move(open), outdated = std::move(outdated)](const OpenRequest& asked) {
    try {
      return open(asked);
    } catch (const std::system_error& error) {
      if (error.code() != std::errc::permission_denied || !are_outdated(asked.spec.path)) throw;
      outdated();
      throw std::system_error(
          error.code(), fmt::format("{} (what is mounted there came after the process that serves "
                                    "this guest, which is replaced now)",
                                    error.what()));
    }
  };
}

}  // namespace tapring
