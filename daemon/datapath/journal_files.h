// SPDX-License-Identifier: MIT
// Journals as files, RUN_DIR/journal/DISK.QUEUE.
#pragma once

#include <filesystem>

#include "daemon/datapath/journal_store.h"

namespace tapring {

class JournalFiles final : public JournalStore {
 public:
  /// Makes the directory if there is none, for its owner only. Throws std::system_error.
  explicit JournalFiles(const std::filesystem::path& run_dir);

  UniqueFd open(const std::string& disk, uint32_t queue, std::size_t bytes) override;
  void remove(const std::string& disk) noexcept override;
  std::set<std::string> disks() const override;

 private:
  std::filesystem::path directory_;
};

}  // namespace tapring
