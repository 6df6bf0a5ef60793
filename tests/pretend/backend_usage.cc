// SPDX-License-Identifier: MIT
#include "tests/pretend/backend_usage.h"

#include <linux/perf_event.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <system_error>

namespace tapring::pretend {
namespace {

constexpr const char* kTracing = "/sys/kernel/tracing";

/// The number of the tracepoint at the entry of every system call.
std::optional<uint64_t> tracepoint() {
  const std::string path = std::string(kTracing) + "/events/raw_syscalls/sys_enter/id";
  // Where nobody has mounted it: only for this process.
  if (!std::filesystem::exists(path) && ::unshare(CLONE_NEWNS) == 0 &&
      ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0) {
    ::mount("tracefs", kTracing, "tracefs", 0, nullptr);
  }
  std::ifstream file(path);
  uint64_t id = 0;
  if (!(file >> id)) return std::nullopt;
  return id;
}

UniqueFd open_counter(uint64_t id, pid_t thread) {
  perf_event_attr attributes{};
  attributes.type = PERF_TYPE_TRACEPOINT;
  attributes.size = sizeof attributes;
  attributes.config = id;
  attributes.inherit = 1;
  return UniqueFd(static_cast<int>(
      ::syscall(SYS_perf_event_open, &attributes, thread, -1, -1, PERF_FLAG_FD_CLOEXEC)));
}

std::string proc(pid_t process, const char* name) {
  return "/proc/" + std::to_string(process) + '/' + name;
}

}  // namespace

double cpu_seconds_of(pid_t process) {
  clockid_t clock = 0;
  timespec time{};
  const int error = ::clock_getcpuclockid(process, &clock);
  if (error != 0) throw std::system_error(error, std::system_category(), "the backend's clock");
  if (::clock_gettime(clock, &time) != 0) {
    throw std::system_error(errno, std::system_category(), "the backend's clock");
  }
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

uint64_t resident_kib_of(pid_t process) {
  std::ifstream file(proc(process, "status"));
  std::string key;
  uint64_t own = 0;
  int found = 0;
  for (std::string line; std::getline(file, line);) {
    const bool counts = line.starts_with("RssAnon:") || line.starts_with("RssFile:");
    if (!counts) continue;
    own += std::stoull(line.substr(line.find(':') + 1));
    ++found;
  }
  if (found != 2) throw std::runtime_error("no memory in " + proc(process, "status"));
  return own;
}

std::optional<SystemCalls> SystemCalls::of(pid_t process) {
  const auto id = tracepoint();
  if (!id) return std::nullopt;
  SystemCalls calls;
  for (const auto& task : std::filesystem::directory_iterator(proc(process, "task"))) {
    UniqueFd counter = open_counter(*id, std::stoi(task.path().filename()));
    // A thread of the kernel's that has ended meanwhile is not missed.
    if (!counter && errno != ESRCH) return std::nullopt;
    if (counter) calls.counters_.push_back(std::move(counter));
  }
  return calls;
}

uint64_t SystemCalls::count() const {
  uint64_t sum = 0;
  for (const UniqueFd& counter : counters_) {
    uint64_t value = 0;
    if (::read(counter.get(), &value, sizeof value) == sizeof value) sum += value;
  }
  return sum;
}

}  // namespace tapring::pretend
