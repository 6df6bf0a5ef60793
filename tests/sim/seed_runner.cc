// SPDX-License-Identifier: MIT
#include "tests/sim/seed_runner.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <system_error>

namespace tapring::sim {
namespace {

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::system_category(), what);
}

bool read_all(int fd, void* data, std::size_t bytes) {
  auto* to = static_cast<char*>(data);
  while (bytes > 0) {
    const ssize_t got = ::read(fd, to, bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    to += got;
    bytes -= static_cast<std::size_t>(got);
  }
  return true;
}

/// One line a result: its length, then its text. Short enough to be written at once.
void write_result(int fd, const std::string& reason) {
  const std::string text = reason.substr(0, 3000);
  const auto size = static_cast<uint32_t>(text.size());
  std::string bytes(sizeof size, '\0');
  std::memcpy(bytes.data(), &size, sizeof size);
  bytes += text;
  if (::write(fd, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) ::_exit(2);
}

std::string how_it_ended(pid_t process) {
  int status = 0;
  if (::waitpid(process, &status, 0) != process) return "its process is lost";
  if (WIFSIGNALED(status)) {
    return std::string("its process died: ") + ::strsignal(WTERMSIG(status));
  }
  return "its process ended with exit code " + std::to_string(WEXITSTATUS(status));
}

}  // namespace

void SeedRunner::run(uint64_t first, uint64_t count, const Result& result) {
  end_ = first + count;
  std::vector<Process> processes;
  for (uint64_t seed = first; seed < std::min(first + processes_, end_); ++seed) {
    processes.emplace_back().seed = seed;
    start(processes.back());
  }
  while (!processes.empty()) {
    std::vector<pollfd> waiting;
    for (const Process& process : processes) waiting.push_back({process.results.get(), POLLIN, 0});
    if (::poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR) fail("poll");
    for (std::size_t i = 0; i < waiting.size(); ++i) {
      if (waiting[i].revents == 0) continue;
      Process& process = processes[i];
      if (take_result(process, result)) continue;
      result(process.seed, how_it_ended(process.id));
      process.seed += processes_;
      if (process.seed < end_) start(process);
    }
    std::erase_if(processes, [this](const Process& process) {
      if (process.seed < end_) return false;
      ::waitpid(process.id, nullptr, 0);
      return true;
    });
  }
}

void SeedRunner::start(Process& process) const {
  int ends[2];
  if (::pipe(ends) != 0) fail("pipe");
  process.results = UniqueFd(ends[0]);
  const UniqueFd writing(ends[1]);
  std::fflush(nullptr);
  process.id = ::fork();
  if (process.id < 0) fail("fork");
  if (process.id == 0) run_seeds(process.seed, writing.get());
}

void SeedRunner::run_seeds(uint64_t seed, int results) const {
  for (; seed < end_; seed += processes_) {
    ::alarm(kSecondsForOne);
    write_result(results, run_(seed));
  }
  std::_Exit(0);
}

bool SeedRunner::take_result(Process& process, const Result& result) const {
  uint32_t size = 0;
  if (!read_all(process.results.get(), &size, sizeof size)) return false;
  std::string reason(size, '\0');
  if (!read_all(process.results.get(), reason.data(), size)) return false;
  result(process.seed, reason);
  process.seed += processes_;
  return true;
}

}  // namespace tapring::sim
