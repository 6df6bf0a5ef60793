// SPDX-License-Identifier: MIT
// What has gone wrong with a disk's storage or image while it is served: noted by the disk's
// shards, each on a worker, logged and reported by the control thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/datapath/lost_writes.h"
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

/// For any thread. As long as all is well, only data_lost() is called. What there is no memory to
/// note is dropped.
class DiskFaults final : public ImageEvents, private LostWrites::Listener {
 public:
  /// Kinds of faults that are told apart, by operation and error.
  static constexpr std::size_t kMaxKinds = 32;
  static constexpr std::size_t kMaxWarnings = 8;

  /// `path`: of the image. `news`: called, on any thread, when take_lines() has something new.
  /// `lost_writes`: of all who serve that image.
  explicit DiskFaults(std::string path = {}, std::function<void()> news = {},
                      std::shared_ptr<LostWrites> lost_writes = std::make_shared<LostWrites>());
  DiskFaults(const DiskFaults&) = delete;
  DiskFaults& operator=(const DiskFaults&) = delete;
  ~DiskFaults() { lost_writes_->remove(*this); }

  /// A request failed, and its guest is told.
  void note(const RequestFault& fault) noexcept;

  /// A write that was acknowledged may be lost. The kernel reports that once and forgets it, so
  /// from now on nothing may be acknowledged as durable until the image is opened anew. `how` it
  /// became known, and the error that told of it, if any; the first call counts.
  void mark_data_lost(const char* how, Error cause = {}) noexcept {
    lost_writes_->mark(how, cause);
  }
  bool data_lost() const noexcept { return lost_writes_->any(); }
  const std::shared_ptr<LostWrites>& lost_writes() const noexcept { return lost_writes_; }

  void corrupt(Error how) noexcept override;
  void warn(const char* what, Error cause) noexcept override;

  /// Why nothing can be written any more, and the remedy; empty if all is well.
  std::string failure() const;
  std::vector<std::string> warnings() const;
  std::optional<RequestFault> last() const;

  struct Line {
    LogLevel level;
    std::string text;
  };

  /// What is new for the log. If that is nothing, the next fault calls `news` at once. Else only a
  /// fault of a new kind does; others are counted, and in the lines of the next call.
  std::vector<Line> take_lines();

 private:
  struct Kind {
    RequestFault last;
    uint64_t untold;
  };

  void writes_lost(const char* how, Error cause) noexcept override;
  bool count(const RequestFault& fault);
  void fail(std::string reason);
  void tell() const;

  const std::string path_;
  const std::function<void()> news_;
  const std::shared_ptr<LostWrites> lost_writes_;
  mutable std::mutex mutex_;
  std::string failure_;
  std::vector<std::string> warnings_;
  std::vector<Kind> kinds_;
  std::optional<RequestFault> last_;
  std::vector<Line> lines_;
  bool quiet_ = true;  ///< take_lines() had nothing new when it was called last
};

}  // namespace tapring
