// SPDX-License-Identifier: MIT
#include "daemon/host/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <sstream>
#include <thread>
#include <vector>

namespace tapring {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

std::string formatted(LogReader reader, LogLevel level, std::string_view message) {
  spdlog::memory_buf_t line;
  make_log_formatter(reader)->format(spdlog::details::log_msg("", level, message), line);
  return fmt::to_string(line);
}

TEST(LogFormatter, TheJournalGetsPrioritiesAndNoTime) {
  EXPECT_EQ(formatted(LogReader::journal, LogLevel::debug, "text"), "<7>text\n");
  EXPECT_EQ(formatted(LogReader::journal, LogLevel::info, "text"), "<6>text\n");
  EXPECT_EQ(formatted(LogReader::journal, LogLevel::warn, "text"), "<4>text\n");
  EXPECT_EQ(formatted(LogReader::journal, LogLevel::err, "text"), "<3>text\n");
}

TEST(LogFormatter, ATerminalGetsTimeAndLevel) {
  EXPECT_THAT(formatted(LogReader::terminal, LogLevel::warn, "text"),
              testing::MatchesRegex("[0-9-]+ [0-9:]+\\.[0-9]{3} warning text\n"));
}

TEST(LogFormatter, AQuotedLineBreakCannotForgeALine) {
  EXPECT_EQ(formatted(LogReader::journal, LogLevel::info, "a\n<0>forged\x1b[2J\xc2\x9b\xff"),
            "<6>a\\x0a<0>forged\\x1b[2J\\xc2\\x9b\\xff\n");
}

TEST(LogLevels, NamesReadBackTheSame) {
  for (const char* name : kNames<LogLevel>) {
    const auto level = parse_name<LogLevel>(name);
    ASSERT_TRUE(level) << name;
    EXPECT_STREQ(name_of(*level), name);
  }
  EXPECT_FALSE(parse_name<LogLevel>("loud"));
}

class Logging : public testing::Test {
 protected:
  ~Logging() override { ::unsetenv("JOURNAL_STREAM"); }

  /// What one warning and one debug message look like on standard error.
  std::string logged(LogLevel level) {
    testing::internal::CaptureStderr();
    const std::string stream = stderr_is_journal_ ? stderr_identity() : "1:2";
    ::setenv("JOURNAL_STREAM", stream.c_str(), 1);
    start_logging(level);
    spdlog::warn("a warning");
    spdlog::debug("a detail");
    return testing::internal::GetCapturedStderr();
  }

  bool stderr_is_journal_ = false;

 private:
  static std::string stderr_identity() {
    struct stat status{};
    ::fstat(STDERR_FILENO, &status);
    return fmt::format("{}:{}", status.st_dev, status.st_ino);
  }
};

TEST_F(Logging, HoldsBackWhatIsBelowTheLevel) {
  EXPECT_THAT(logged(LogLevel::info), testing::Not(HasSubstr("detail")));
  EXPECT_THAT(logged(LogLevel::debug), HasSubstr("a detail"));
}

TEST_F(Logging, KnowsTheJournalByItsStream) {
  stderr_is_journal_ = true;
  EXPECT_EQ(logged(LogLevel::info), "<4>a warning\n");
}

TEST_F(Logging, AnotherProcesssJournalStreamIsNotOurs) {
  EXPECT_THAT(logged(LogLevel::info), testing::EndsWith(" warning a warning\n"));
}

class LogLimitTest : public testing::Test {
 protected:
  LogLimitTest() {
    auto sink = std::make_shared<spdlog::sinks::ostream_sink_st>(lines_);
    auto logger = std::make_shared<spdlog::logger>("test", sink);
    logger->set_pattern("%v");
    spdlog::set_default_logger(logger);
  }

  std::string take_lines() {
    std::string text = lines_.str();
    lines_.str("");
    return text;
  }

  void complain(const char* subject) {
    limit_.log(LogLevel::warn, subject, "bad request {}", ++requests_);
  }

  LogLimit::Clock::time_point now_{};
  LogLimit limit_{{2, 10s}, [this] { return now_; }};

 private:
  std::ostringstream lines_;
  int requests_ = 0;
};

TEST_F(LogLimitTest, ABurstIsCutAndCounted) {
  for (int i = 0; i < 5; ++i) complain("0/xvda");
  EXPECT_EQ(take_lines(), "0/xvda: bad request 1\n0/xvda: bad request 2\n");
  now_ += 5s;
  complain("0/xvda");
  EXPECT_EQ(take_lines(),
            "0/xvda: bad request 6 (3 messages before this one were not logged, as there were too "
            "many)\n");
}

TEST_F(LogLimitTest, SubjectsDoNotShareABudget) {
  for (int i = 0; i < 3; ++i) complain("1/xvda");
  complain("2/xvda");
  EXPECT_THAT(take_lines(), HasSubstr("2/xvda: bad request 4\n"));
}

TEST_F(LogLimitTest, AQuietSubjectNeverSavesMoreThanOneBurst) {
  now_ += 1000s;
  for (int i = 0; i < 9; ++i) complain("1/xvda");
  EXPECT_EQ(take_lines(), "1/xvda: bad request 1\n1/xvda: bad request 2\n");
}

TEST_F(LogLimitTest, AForgottenSubjectLeavesItsCount) {
  for (int i = 0; i < 4; ++i) complain("1/xvda");
  take_lines();
  limit_.forget("1/xvda");
  EXPECT_THAT(take_lines(), HasSubstr("1/xvda: 2 messages about it were not logged"));
  limit_.forget("1/xvda");
  EXPECT_EQ(take_lines(), "");
}

TEST_F(LogLimitTest, WhatTheLevelHoldsBackCostsNothing) {
  for (int i = 0; i < 5; ++i) limit_.log(LogLevel::debug, "1/xvda", "detail");
  EXPECT_EQ(limit_.admit("1/xvda"), 0U);
}

TEST_F(LogLimitTest, DetailsAreMoreAndTakeNothingFromOthers) {
  spdlog::set_level(LogLevel::trace);
  for (int i = 0; i < 100; ++i) limit_.log(LogLevel::debug, "1/xvda", "detail");
  const std::string lines = take_lines();
  EXPECT_EQ(std::ranges::count(lines, '\n'), 2 * LogLimit::kDetail);
  complain("1/xvda");
  EXPECT_EQ(take_lines(), "1/xvda: bad request 1\n");
}

TEST_F(LogLimitTest, SubjectsBeyondTheBoundShareOneBudget) {
  for (std::size_t i = 0; i < LogLimit::kMaxSubjects; ++i) limit_.admit(std::to_string(i));
  EXPECT_TRUE(limit_.admit("a"));
  EXPECT_TRUE(limit_.admit("b"));
  EXPECT_FALSE(limit_.admit("c"));
}

TEST_F(LogLimitTest, ThreadsShareTheBudgetOfASubject) {
  std::atomic<int> admitted = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int j = 0; j < 100; ++j) admitted += limit_.admit("1/xvda") ? 1 : 0;
      });
    }
  }
  EXPECT_EQ(admitted, 2);
}

}  // namespace
}  // namespace tapring
