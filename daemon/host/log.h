// SPDX-License-Identifier: MIT
// Where the lines of spdlog's default logger go, and a limit for those that a guest can cause.
#pragma once

#include <fmt/format.h>
#include <spdlog/common.h>
#include <spdlog/formatter.h>
#include <spdlog/spdlog.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "daemon/host/names.h"

namespace tapring {

using LogLevel = spdlog::level::level_enum;

/// What log_level may be, least important first.
template <>
inline constexpr std::array<const char*, 5> kNames<LogLevel> = {"trace", "debug", "info", "warning",
                                                                "error"};

/// Sends what is at least as important as `level` from spdlog's default logger to standard error,
/// for the rest of the process. Call it before there are other threads.
void start_logging(LogLevel level);

/// From any thread.
void set_log_level(LogLevel level);

/// Who reads standard error.
enum class LogReader {
  journal,  ///< lines begin with sd-daemon(3)'s priority; the journal adds the time
  terminal,
};

/// Who reads this process's.
LogReader reader_of_stderr() noexcept;

/// What a line for this reader begins with, by the level of its message.
std::string priority_prefix(LogReader reader, LogLevel level);

/// Messages are made printable(), so one message is one line whatever it quotes.
std::unique_ptr<spdlog::formatter> make_log_formatter(LogReader reader);

/// A token bucket for each subject, such as a disk: a subject that has been quiet for a period may
/// log `lines` at once, and one more every period / lines. Its debug and trace lines have a bucket
/// of their own, of kDetail times as many, so that they keep out no others. Thread-safe.
class LogLimit {
 public:
  using Clock = std::chrono::steady_clock;

  struct Rate {
    uint32_t lines;
    std::chrono::seconds period;
  };
  static constexpr Rate kDefaultRate{10, std::chrono::seconds(60)};
  static constexpr uint32_t kDetail = 10;

  /// Subjects beyond these share one bucket.
  static constexpr std::size_t kMaxSubjects = 4096;

  explicit LogLimit(
      Rate rate = kDefaultRate,
      std::function<Clock::time_point()> now = [] { return Clock::now(); })
      : rate_(rate), now_(std::move(now)) {}

  /// Logs "SUBJECT: MESSAGE", or counts it; the next line of the subject says how many were.
  template <typename... Args>
  void log(LogLevel level, std::string_view subject, fmt::format_string<Args...> format,
           Args&&... args) {
    if (!spdlog::should_log(level)) return;
    const std::optional<uint64_t> suppressed = admit(subject, level);
    if (suppressed) {
      write(level, subject, fmt::format(format, std::forward<Args>(args)...), *suppressed);
    }
  }

  /// nullopt if a line about `subject` must not be logged now, else how many were not since the
  /// last one that was.
  std::optional<uint64_t> admit(std::string_view subject, LogLevel level = LogLevel::info);

  /// The subject is gone: says how many of its lines were never logged.
  void forget(std::string_view subject);

 private:
  struct Bucket {
    double tokens;
    Clock::time_point filled;
    uint64_t suppressed = 0;
  };

  struct Subject {
    Bucket told;
    Bucket detail;  ///< of debug and trace
  };

  static void write(LogLevel level, std::string_view subject, std::string_view message,
                    uint64_t suppressed);
  Subject& find(std::string_view subject, Clock::time_point now);

  const Rate rate_;
  const std::function<Clock::time_point()> now_;
  std::mutex mutex_;
  std::map<std::string, Subject, std::less<>> subjects_;
};

}  // namespace tapring
