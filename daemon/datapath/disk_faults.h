// SPDX-License-Identifier: MIT
// What has gone wrong with a disk's storage or image while it is served. The disk's parts, each on
// a worker, write it down here, and the control thread logs and reports it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/host/log.h"
#include "formats/image.h"
#include "ring/error.h"

namespace tapring {

/// A request that failed.
struct RequestFault {
  const char* operation = "";  ///< "read", "write", "flush", "discard"
  uint64_t offset = 0;         ///< in bytes
  Error error;
  std::chrono::system_clock::time_point time;
};

/// "a read at byte 4096 failed: Input/output error (EIO)"
std::string describe(const RequestFault& fault);

/// For any thread. Only data_lost() is asked when all is well. What there is no memory for is not
/// told.
class DiskFaults final : public ImageEvents {
 public:
  /// Kinds of faults, by operation and error, that are told apart.
  static constexpr std::size_t kMaxKinds = 32;
  static constexpr std::size_t kMaxWarnings = 8;

  /// `path`: of the image. `news`: called on any thread when there is something new for
  /// take_lines().
  explicit DiskFaults(std::string path = {}, std::function<void()> news = {})
      : path_(std::move(path)), news_(std::move(news)) {}
  DiskFaults(const DiskFaults&) = delete;
  DiskFaults& operator=(const DiskFaults&) = delete;

  /// The guest is told that its request failed.
  void note(const RequestFault& fault) noexcept;

  /// The kernel reports a lost write once and forgets it: from now on nothing may be acknowledged
  /// as durable until the image is opened anew. `how` it is known, and the error that told of it,
  /// if there was one; the first is kept.
  void mark_data_lost(const char* how, Error cause = {}) noexcept;
  bool data_lost() const noexcept { return data_lost_; }

  void corrupt(Error how) noexcept override;
  void warn(const char* what, Error cause) noexcept override;

  /// Why nothing can be written any more, and the remedy; empty where all is well.
  std::string failure() const;
  std::vector<std::string> warnings() const;
  std::optional<RequestFault> last() const;

  struct Line {
    LogLevel level;
    std::string text;
  };

  /// What is new for the log. Where nothing is, the next fault calls `news` at once; else only one
  /// of a new kind does, and of the others the next call tells how many there were.
  std::vector<Line> take_lines();

 private:
  struct Kind {
    RequestFault last;
    uint64_t untold;
  };

  bool count(const RequestFault& fault);
  void fail(std::string reason);
  void tell() const;

  const std::string path_;
  const std::function<void()> news_;
  std::atomic<bool> data_lost_ = false;
  mutable std::mutex mutex_;
  std::string failure_;
  std::vector<std::string> warnings_;
  std::vector<Kind> kinds_;
  std::optional<RequestFault> last_;
  std::vector<Line> lines_;
  bool quiet_ = true;  ///< there was nothing new when the lines were taken last
};

}  // namespace tapring
