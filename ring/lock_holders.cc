// SPDX-License-Identifier: MIT
#include "ring/lock_holders.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <string_view>

#include "ring/file_lock.h"

namespace tapring {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kQemus = 100;
constexpr uint64_t kBehindQemu = 300;

/// A line of /proc/locks, or of a process's fdinfo after its "lock:" (Linux, fs/locks.c,
/// lock_get_status).
struct LockLine {
  pid_t pid = -1;    ///< -1 for a lock of an open file description
  std::string file;  ///< "fd:01:1234": major and minor device number of its filesystem, inode
  uint64_t first = 0;
  uint64_t last = 0;
};

std::optional<LockLine> parse(const std::string& text) {
  std::istringstream words(text);
  std::string number;
  std::string type;
  std::string strictness;
  std::string access;
  std::string last;
  LockLine line;
  words >> number >> type;
  if (type == "->") return std::nullopt;  // waits for the lock before it
  words >> strictness >> access >> line.pid >> line.file >> line.first >> last;
  if (!words) return std::nullopt;
  line.last = std::numeric_limits<uint64_t>::max();
  if (last != "EOF") std::from_chars(last.data(), last.data() + last.size(), line.last);
  return line;
}

/// Whether it is on one of QEMU's bytes, or on a fence of ours.
bool is_of_images(const LockLine& line) {
  return (line.first < kBehindQemu && line.last >= kQemus) || line.last >= kFirstFence;
}

std::vector<LockLine> locks_of(const fs::path& fdinfo) {
  constexpr std::string_view kKey = "lock:";
  std::vector<LockLine> locks;
  std::ifstream file(fdinfo);
  for (std::string text; std::getline(file, text);) {
    if (!text.starts_with(kKey)) continue;
    if (auto line = parse(text.substr(kKey.size()))) locks.push_back(std::move(*line));
  }
  return locks;
}

/// The file as the kernel names it in such lines, which need not be by the device that stat() gives
/// (a subvolume of btrfs has one of its own): read from the line of a lock that we take for a
/// moment.
std::string name_in_locks(int fd) {
  struct flock lock{};
  lock.l_type = F_RDLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = kBehindQemu;
  lock.l_len = 1;
  std::vector<LockLine> locks;
  if (::fcntl(fd, F_OFD_SETLK, &lock) == 0) {
    locks = locks_of("/proc/self/fdinfo/" + std::to_string(fd));
    lock.l_type = F_UNLCK;
    ::fcntl(fd, F_OFD_SETLK, &lock);
  }
  if (!locks.empty()) return locks.front().file;
  struct stat status{};
  if (::fstat(fd, &status) != 0) return {};
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%02x:%02x:%ju", major(status.st_dev),
                minor(status.st_dev), static_cast<uintmax_t>(status.st_ino));
  return text.data();
}

std::string name_of(pid_t pid) {
  std::string name;
  std::getline(std::ifstream("/proc/" + std::to_string(pid) + "/comm"), name);
  return name;
}

/// The entries of a directory that are numbers: only some if it goes away meanwhile.
std::vector<int> numbers_in(const fs::path& directory) {
  std::vector<int> numbers;
  std::error_code error;
  for (fs::directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename();
    int number = 0;
    const char* behind = name.data() + name.size();
    const auto parsed = std::from_chars(name.data(), behind, number);
    if (parsed.ec == std::errc{} && parsed.ptr == behind) numbers.push_back(number);
  }
  return numbers;
}

bool holds(const fs::path& process, const std::string& file) {
  for (const int fd : numbers_in(process / "fd")) {
    std::error_code gone;
    const fs::path target = fs::read_symlink(process / "fd" / std::to_string(fd), gone);
    if (gone || !target.is_absolute()) continue;  // a socket, a pipe: no file
    const auto locks = locks_of(process / "fdinfo" / std::to_string(fd));
    const auto is_wanted = [&](const LockLine& line) {
      return line.file == file && is_of_images(line);
    };
    if (std::ranges::any_of(locks, is_wanted)) return true;
  }
  return false;
}

std::vector<LockHolder> visible_holders(const std::string& file) {
  std::vector<LockHolder> holders;
  for (const pid_t pid : numbers_in("/proc")) {
    const fs::path process = fs::path("/proc") / std::to_string(pid);
    if (holds(process, file)) holders.push_back({pid, name_of(pid)});
  }
  return holders;
}

}  // namespace

LockHolders lock_holders(int fd) {
  const std::string file = name_in_locks(fd);
  LockHolders holders;
  holders.processes = visible_holders(file);
  std::ifstream all("/proc/locks");
  if (!all || !holders.processes.empty()) return holders;
  holders.on_this_host = false;
  for (std::string text; std::getline(all, text);) {
    const auto line = parse(text);
    if (!line || line->file != file || !is_of_images(*line)) continue;
    holders.on_this_host = true;
    // POSIX locks name their process here, even one that we may not look at.
    const LockHolder holder{line->pid, name_of(line->pid)};
    const bool known = std::ranges::find(holders.processes, holder) != holders.processes.end();
    if (line->pid > 0 && !known) holders.processes.push_back(holder);
  }
  return holders;
}

std::string describe(const LockHolders& holders, const std::string& path) {
  if (!holders.on_this_host) return "another host";
  if (holders.processes.empty()) return "a process of this host: tapring holder " + path;
  std::string words;
  for (const LockHolder& holder : holders.processes) {
    if (!words.empty()) words += "; ";
    if (!holder.name.empty()) words += holder.name + ", ";
    words += "pid " + std::to_string(holder.pid);
  }
  return words;
}

}  // namespace tapring
