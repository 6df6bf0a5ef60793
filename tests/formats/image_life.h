// SPDX-License-Identifier: MIT
// The lives of an image in the simulated world, one after the other: opened, used by requests that
// overlap, on storage that may fail, and ended in order or not.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "formats/image.h"

namespace tapring {

enum class End : uint8_t {
  close,  ///< in order
  power,  ///< the power goes
  kill,   ///< the process goes
};

struct LifePlan {
  std::string format;
  ImageOptions options;
  uint64_t seed = 0;            ///< of the first load, and of all that happens meanwhile
  uint64_t end_seed = 0;        ///< of when that ends, and of what comes then
  std::vector<End> ends;        ///< of all lives but the last, which ends in order on sound storage
  double faults = 0;            ///< so many of the operations of its files fail
  uint64_t most_requests = 80;  ///< of a life
  bool bounded = false;         ///< the growth of its file, and what close() does, are judged too
  /// Asked after each life, when nobody has the image open, for what is wrong with it besides;
  /// empty if nothing is.
  std::function<std::string()> judge{};
};

struct LifeFigures {
  uint64_t requests_failed = 0;
  uint64_t faults = 0;  ///< that its files met
  uint64_t openings_failed = 0;
  uint64_t losses = 0;            ///< lives in which a flush said that writes were lost
  uint64_t leaks = 0;             ///< clusters, at the end
  uint64_t close_operations = 0;  ///< of its files: the most that a close() took
  uint64_t growth = 0;            ///< bytes of its file beyond what it had, the disk and tables
  std::string content;            ///< of the disk, at the end
};

/// Lives them all, on an image that has `content`. After each the image must have leaked clusters
/// at most, and none if nothing was in the way; what was promised must be there. Throws
/// std::runtime_error that says what is wrong.
LifeFigures live(const LifePlan& plan, const std::string& content);

}  // namespace tapring
