// SPDX-License-Identifier: MIT
// Writes of chance to an image in the simulated world, until the power goes, or the process.
#pragma once

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "formats/image.h"

namespace tapring {

enum class Cut : uint8_t { power, process };

/// What each sector of a disk may hold after a cut.
class Promises {
 public:
  explicit Promises(const std::string& content);

  /// From now on it may hold this too.
  void begin_write(uint64_t offset, const std::string& data);

  /// From now on it holds this, come what may.
  void promise(uint64_t offset, const std::string& data);

  /// What is wrong with `content`; empty if nothing is.
  std::string broken_by(const std::string& content) const;

 private:
  std::vector<std::set<std::string>> allowed_;
};

struct Workload {
  std::string format;
  ImageOptions options;
  uint64_t seed;  ///< of what is written, and of all that happens meanwhile
};

/// Runs the workload on an image that has `content`, up to the cut: somewhere in it, by `cut_seed`.
/// With the same seed, all before is the same. Throws std::runtime_error if the image hangs.
Promises run_until_cut(const Workload& workload, const std::string& content, Cut cut,
                       uint64_t cut_seed);

/// What our driver reads of the image.
Result<std::string> content_by_driver(const Workload& workload);

}  // namespace tapring
