// SPDX-License-Identifier: MIT
// What an image did to its file on real storage, to be done again as if the power had gone.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "ring/file.h"
#include "tests/sim/random.h"

namespace tapring {

/// Writes, discards (as zeros) and syncs of a file, as they began and ended.
class WriteLog {
 public:
  std::size_t begin_write(uint64_t offset, std::string data);
  std::size_t begin_sync();
  void ended(std::size_t event);

  /// Moments at which something began or ended.
  uint64_t now() const noexcept { return now_; }

  /// To the file as it was before all of this: what was durable at `moment`, and of what else had
  /// begun any sectors.
  void replay(const std::filesystem::path& path, uint64_t moment, sim::Random& random) const;

 private:
  static constexpr uint64_t kNever = UINT64_MAX;

  struct Event {
    bool sync;
    uint64_t offset;
    std::string data;
    uint64_t begun;
    uint64_t ended = kNever;
  };

  std::vector<Event> events_;
  uint64_t now_ = 0;
};

/// The file, which tells the log.
std::unique_ptr<File> recorded(std::unique_ptr<File> file, WriteLog& log);

}  // namespace tapring
