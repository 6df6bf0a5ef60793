// SPDX-License-Identifier: MIT
#include "daemon/cli/unfinished_file.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cassert>
#include <utility>

namespace tapring {
namespace {

// For the handler, which must not take a lock.
std::array<std::atomic<const char*>, UnfinishedFile::kMost> unfinished_paths{};

/// Only what signal-safety(7) allows. The signal then ends the process as if it had no handler.
void remove_all(int number) {
  for (const auto& place : unfinished_paths) {
    const char* path = place.load();
    if (path != nullptr) ::unlink(path);
  }
  ::signal(number, SIG_DFL);
  ::raise(number);
}

}  // namespace

UnfinishedFile::UnfinishedFile(std::string path) : path_(std::move(path)) {
  const auto* place = std::ranges::find_if(
      unfinished_paths, [](const auto& other) { return other.load() == nullptr; });
  assert(place != unfinished_paths.end());
  place_ = static_cast<std::size_t>(place - unfinished_paths.begin());
  unfinished_paths.at(place_) = path_.c_str();
  struct sigaction action{};
  action.sa_handler = remove_all;
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    ::sigaction(kSignals.at(i), nullptr, &before_.at(i));
    // nohup(1) ignores SIGHUP: leave it so.
    if (before_.at(i).sa_handler != SIG_IGN) ::sigaction(kSignals.at(i), &action, nullptr);
  }
}

UnfinishedFile::~UnfinishedFile() {
  if (unfinished_paths.at(place_).exchange(nullptr) != nullptr) ::unlink(path_.c_str());
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    ::sigaction(kSignals.at(i), &before_.at(i), nullptr);
  }
}

void UnfinishedFile::keep() noexcept {
  unfinished_paths.at(place_) = nullptr;
}

}  // namespace tapring
