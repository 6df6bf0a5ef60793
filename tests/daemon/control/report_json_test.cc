// SPDX-License-Identifier: MIT
#include "daemon/control/report_json.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <system_error>

#include "tests/daemon/control/fake_reporter.h"

namespace tapring {
namespace {

namespace json = boost::json;

// A field added to a report stops this from compiling: describe it in report_json.cc, too.
[[maybe_unused]] void name_every_field(const DiskReport& report) {
  [[maybe_unused]] const auto& [disk, domain, device, kind, vdev, mode, format, path, state,
                                paused_for, paused_since, reason, backend_state, frontend_state,
                                size_bytes, queues, ring_pages, protocol, workers, notices,
                                on_no_space, on_io_error, pause_limit_seconds, counters,
                                last_error] = report;
}
constexpr std::size_t kReportFields = 25;

TEST(ReportJson, EveryFieldOfAReportIsAMember) {
  EXPECT_EQ(to_json(DiskReport{}).size(), kReportFields);
  EXPECT_EQ(to_json(DiskCounters{}).size() * sizeof(uint64_t), sizeof(DiskCounters));
}

TEST(ReportJson, AReportReadsBackTheSame) {
  DiskReport report = connected_disk(7);
  report.workers = {3, 0};
  report.reason = "a reason";
  report.notices = {"the page cache is used", "second"};
  report.counters.in_flight = UINT64_MAX;
  report.last_error = {"read", 4096, "EIO", "Input/output error", "2026-11-28T21:00:00Z"};
  const DiskReport back = report_from_json(to_json(report));
  EXPECT_EQ(json::serialize(to_json(back)), json::serialize(to_json(report)));
  EXPECT_EQ(back.notices, report.notices);
  EXPECT_EQ(back.workers, report.workers);
  EXPECT_EQ(back.counters.in_flight, UINT64_MAX);
  EXPECT_EQ(back.last_error.offset, 4096U);
  EXPECT_EQ(back.size_bytes, report.size_bytes);
}

TEST(ReportJson, AnotherVersionsReportIsReadAsFarAsItGoes) {
  const json::value value = {{"disk", "1/xvda"}, {"colour", "blue"}, {"counters", {{"reads", 3}}}};
  const DiskReport report = report_from_json(value);
  EXPECT_EQ(report.disk, "1/xvda");
  EXPECT_EQ(report.counters.reads, 3U);
  EXPECT_EQ(report.counters.writes, 0U);
}

TEST(ReportJson, AMemberOfAnotherTypeIsRefused) {
  for (const json::value& value :
       {json::value{{"disk", 1}}, json::value{{"domain", 65536}}, json::value{{"size_bytes", -1}},
        json::value{{"counters", json::array{}}}, json::value(nullptr)}) {
    EXPECT_ANY_THROW(report_from_json(value)) << json::serialize(value);
  }
}

}  // namespace
}  // namespace tapring
