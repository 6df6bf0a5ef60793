// SPDX-License-Identifier: MIT
#include "tests/pretend/process.h"

#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <system_error>

namespace tapring::pretend {
namespace {

struct Status {
  char state;
  uint64_t started;
};

std::optional<Status> status_of(int32_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  // The name in the second field may hold anything, also blanks and parentheses.
  std::istringstream fields(line.substr(line.rfind(')') + 1));
  Status status{};
  fields >> status.state;
  constexpr int kFieldsBetween = 18;
  std::string skipped;
  for (int i = 0; i < kFieldsBetween; ++i) fields >> skipped;
  fields >> status.started;
  if (!fields) return std::nullopt;
  return status;
}

}  // namespace

Process this_process() {
  const auto pid = static_cast<int32_t>(::getpid());
  const auto status = status_of(pid);
  if (!status) throw std::system_error(ENOENT, std::system_category(), "/proc/PID/stat");
  return {pid, status->started};
}

bool is_alive(const Process& process) {
  if (process.pid == 0) return true;
  const auto status = status_of(process.pid);
  const bool same = status && status->started == process.started;
  return same && status->state != 'Z' && status->state != 'X';
}

}  // namespace tapring::pretend
