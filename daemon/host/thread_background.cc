// SPDX-License-Identifier: MIT
#include "daemon/host/thread_background.h"

#include <algorithm>
#include <cerrno>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

namespace tapring {

/// Which lines run how much, and what waits. Shared with the threads, which may outlive the
/// ThreadBackground.
class ThreadBackground::Lines {
 public:
  /// Whether a thread is to be made for `work`. If not, it waits, and `work` is empty.
  bool admit(const std::string& name, std::size_t most, Work& work) {
    const std::lock_guard lock(mutex_);
    Line& line = lines_[name];
    line.most = std::min(most, kMaxThreadsOfALine);
    if (has_room(line)) {
      ++line.running;
      ++running_;
      return true;
    }
    if (waiting_ == kMaxWaiting) {
      leave(lines_.find(name), 0);
      throw std::system_error(EAGAIN, std::system_category(),
                              "too many images are being opened at once: their storage hangs");
    }
    line.waiting.push_back(std::move(work));
    ++waiting_;
    return false;
  }

  /// A thread has done its work of line `name`. Returns what it is to do next, and sets `name` to
  /// the line of that; empty if nothing waits.
  std::optional<Work> next(std::string& name) {
    const std::lock_guard lock(mutex_);
    leave(lines_.find(name), 1);
    for (auto& [other, line] : lines_) {
      if (line.waiting.empty() || !has_room(line)) continue;
      Work work = std::move(line.waiting.front());
      line.waiting.pop_front();
      --waiting_;
      ++line.running;
      ++running_;
      name = other;
      return work;
    }
    return std::nullopt;
  }

  void withdraw(const std::string& name) {
    const std::lock_guard lock(mutex_);
    leave(lines_.find(name), 1);
  }

 private:
  struct Line {
    std::size_t running = 0;
    std::size_t most = 0;
    std::deque<Work> waiting;
  };
  using ByName = std::map<std::string, Line>;

  bool has_room(const Line& line) const noexcept {
    return line.running < line.most && running_ < kMaxThreads;
  }

  void leave(ByName::iterator line, std::size_t threads) {
    running_ -= threads;
    line->second.running -= threads;
    if (line->second.running == 0 && line->second.waiting.empty()) lines_.erase(line);
  }

  std::mutex mutex_;
  ByName lines_;
  std::size_t running_ = 0;
  std::size_t waiting_ = 0;
};

ThreadBackground::ThreadBackground() : lines_(std::make_shared<Lines>()) {}

void ThreadBackground::run_few(std::size_t most, const std::string& line, Work work) {
  if (!lines_->admit(line, most, work)) return;
  try {
    std::thread([lines = lines_, name = line, work = std::move(work)]() mutable {
      for (std::optional<Work> now = std::move(work); now; now = lines->next(name)) {
        (*now)();
        now.reset();  // destroys what the work owns before its line counts one less
      }
    }).detach();
  } catch (...) {
    lines_->withdraw(line);
    throw;
  }
}

}  // namespace tapring
