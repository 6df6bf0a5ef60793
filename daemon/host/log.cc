// SPDX-License-Identifier: MIT
#include "daemon/host/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <ctime>
#include <iterator>

#include "formats/printable.h"

namespace tapring {
namespace {

/// syslog's, as sd-daemon(3) writes them, for each of kNames<LogLevel>.
constexpr std::array kPriorities = {'7', '7', '6', '4', '3'};

char priority_of(LogLevel level) noexcept {
  return kPriorities[std::min(static_cast<std::size_t>(level), kPriorities.size() - 1)];
}

class LogFormatter final : public spdlog::formatter {
 public:
  explicit LogFormatter(LogReader reader) : reader_(reader) {}

  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& line) override {
    const std::string text = printable({message.payload.data(), message.payload.size()});
    auto out = std::back_inserter(line);
    if (reader_ == LogReader::journal) {
      fmt::format_to(out, "<{}>{}\n", priority_of(message.level), text);
      return;
    }
    const auto since_epoch = message.time.time_since_epoch();
    const std::time_t seconds = std::chrono::system_clock::to_time_t(message.time);
    const auto milliseconds =
        std::chrono::duration_cast<std::chrono::milliseconds>(since_epoch).count() % 1000;
    std::tm local{};
    ::localtime_r(&seconds, &local);
    std::array<char, 32> time{};
    std::strftime(time.data(), time.size(), "%F %T", &local);
    fmt::format_to(out, "{}.{:03} {:<7} {}\n", time.data(), milliseconds, name_of(message.level),
                   text);
  }

  std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<LogFormatter>(reader_);
  }

 private:
  LogReader reader_;
};

}  // namespace

// systemd names the stream that it connected; a later redirection has other numbers.
LogReader reader_of_stderr() noexcept {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat status{};
  if (stream == nullptr || ::fstat(STDERR_FILENO, &status) != 0) return LogReader::terminal;
  const bool same = fmt::format("{}:{}", status.st_dev, status.st_ino) == stream;
  return same ? LogReader::journal : LogReader::terminal;
}

std::string priority_prefix(LogReader reader, LogLevel level) {
  return reader == LogReader::journal ? fmt::format("<{}>", priority_of(level)) : "";
}

std::unique_ptr<spdlog::formatter> make_log_formatter(LogReader reader) {
  return std::make_unique<LogFormatter>(reader);
}

void start_logging(LogLevel level) {
  auto logger = std::make_shared<spdlog::logger>("tapringd",
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_formatter(make_log_formatter(reader_of_stderr()));
  logger->set_level(level);
  spdlog::set_default_logger(std::move(logger));
}

void set_log_level(LogLevel level) {
  spdlog::set_level(level);
}

std::optional<uint64_t> LogLimit::admit(std::string_view subject, LogLevel level) {
  const Clock::time_point now = now_();
  const bool detail = level < LogLevel::info;
  const double lines = rate_.lines;
  const double most = detail ? lines * kDetail : lines;
  const std::scoped_lock lock(mutex_);
  Subject& known = find(subject, now);
  Bucket& bucket = detail ? known.detail : known.told;
  const std::chrono::duration<double> elapsed = now - bucket.filled;
  const double per_second = most / std::chrono::duration<double>(rate_.period).count();
  bucket.tokens = std::min(most, bucket.tokens + elapsed.count() * per_second);
  bucket.filled = now;
  if (bucket.tokens < 1) {
    ++bucket.suppressed;
    return std::nullopt;
  }
  bucket.tokens -= 1;
  return std::exchange(bucket.suppressed, 0);
}

LogLimit::Subject& LogLimit::find(std::string_view subject, Clock::time_point now) {
  const auto found = subjects_.find(subject);
  if (found != subjects_.end()) return found->second;
  const std::string_view name = subjects_.size() < kMaxSubjects ? subject : "others";
  const double full = rate_.lines;
  const Subject quiet{.told = {full, now}, .detail = {full * kDetail, now}};
  return subjects_.try_emplace(std::string(name), quiet).first->second;
}

void LogLimit::forget(std::string_view subject) {
  uint64_t suppressed = 0;
  {
    const std::scoped_lock lock(mutex_);
    const auto found = subjects_.find(subject);
    if (found == subjects_.end()) return;
    suppressed = found->second.told.suppressed;
    subjects_.erase(found);
  }
  if (suppressed > 0) {
    spdlog::info("{}: {} messages about it were not logged, as there were too many", subject,
                 suppressed);
  }
}

void LogLimit::write(LogLevel level, std::string_view subject, std::string_view message,
                     uint64_t suppressed) {
  if (suppressed == 0) {
    spdlog::log(level, "{}: {}", subject, message);
  } else {
    spdlog::log(level,
                "{}: {} ({} messages before this one were not logged, as there were too many)",
                subject, message, suppressed);
  }
}

}  // namespace tapring
