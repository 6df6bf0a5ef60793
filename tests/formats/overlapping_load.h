// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

#include "ring/error.h"
#include "ring/task.h"
#include "tests/formats/served_image.h"
#include "tests/sim/disk_model.h"
#include "tests/sim/random.h"

namespace tapring {

/// Reads, writes, discards and flushes of chance, several at a time, many of them of the same
/// sectors. What each may do is told to a model of the disk, and what is read is judged by it.
class OverlappingLoad {
 public:
  struct Options {
    uint64_t requests = 40;
    unsigned depth = 8;     ///< at a time
    bool may_fail = false;  ///< the storage is not sound
  };

  /// Image, model and random must outlive it.
  OverlappingLoad(ServedImage& image, sim::DiskModel& model, sim::Random& random,
                  const Options& options);
  OverlappingLoad(const OverlappingLoad&) = delete;
  OverlappingLoad& operator=(const OverlappingLoad&) = delete;

  void begin();

  /// Nothing new is asked for, and what is under way may fail.
  void stop() noexcept;

  /// Everything that was begun has ended. Before this is destroyed.
  bool idle() const noexcept { return clients_ == 0; }

  /// A flush said that writes were lost: the image is to be closed.
  bool lost() const noexcept { return lost_; }

  uint64_t failed() const noexcept { return failed_; }

  /// The first that the image did wrong; empty if it did nothing wrong.
  const std::string& wrong() const noexcept { return wrong_; }

 private:
  struct Range {
    uint64_t sector;
    uint64_t sectors;
  };

  Detached client();
  Task<Error> request();
  Task<Error> read(Range range);
  Task<Error> write(Range range);
  Task<Error> discard();
  Task<Error> flush();
  Task<Error> pause();

  Range draw_range();
  void judge(const char* what, Error error);

  ServedImage& image_;
  sim::DiskModel& model_;
  sim::Random& random_;
  uint64_t left_;
  unsigned depth_;
  bool may_fail_;
  uint64_t hot_;  ///< a sector, around which many requests are
  unsigned clients_ = 0;
  bool lost_ = false;
  uint64_t failed_ = 0;
  std::string wrong_;
};

}  // namespace tapring
