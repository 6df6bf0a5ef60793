// SPDX-License-Identifier: MIT
#include "daemon/cli/pages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "tests/daemon/control/fake_reporter.h"

namespace tapring {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string text_of(const Table& table, bool colours = false) {
  std::ostringstream out;
  table.print(out, colours);
  return out.str();
}

std::string page_of(const DiskReport& disk) {
  std::ostringstream out;
  print_disk(disk, out);
  return out.str();
}

TEST(CliPages, SizesAreHuman) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(1536), "1.5 KiB");
  EXPECT_EQ(human_bytes(1024 * 1024 - 1), "1.0 MiB");
  EXPECT_EQ(human_bytes(uint64_t{10} << 30), "10.0 GiB");
  EXPECT_EQ(human_bytes(UINT64_MAX), "16.0 EiB");
}

TEST(CliPages, ListIsAlignedAndGivesTheReason) {
  const std::vector<DiskReport> disks{connected_disk(0), refused_disk(12)};
  EXPECT_EQ(text_of(list_table(disks)),
            "DISK     KIND  MODE  FORMAT  STATE      PATH\n"
            "0/xvda   vbd   w     aio     connected  /srv/0.img\n"
            "12/xvdb  vbd3  -     -       refused    /srv/missing.img: No such file or directory; "
            "create it\n");
}

TEST(CliPages, AnEmptyListIsItsTitles) {
  EXPECT_EQ(text_of(list_table({})), "DISK  KIND  MODE  FORMAT  STATE  PATH\n");
}

TEST(CliPages, ColoursAreOnlyForTerminals) {
  const std::vector<DiskReport> disks{connected_disk(0)};
  EXPECT_THAT(text_of(list_table(disks), true), HasSubstr("\033[32mconnected\033[0m"));
  EXPECT_THAT(text_of(list_table(disks), false), Not(HasSubstr("\033")));
}

TEST(CliPages, ADisksTextCannotControlTheTerminal) {
  DiskReport disk = refused_disk(0);
  disk.reason = "\033[2Jgone\nforged";
  const std::vector<DiskReport> disks{disk};
  EXPECT_THAT(text_of(list_table(disks)), HasSubstr("\\x1b[2Jgone\\x0aforged\n"));
  EXPECT_THAT(page_of(disk), HasSubstr("\\x1b[2Jgone\\x0aforged\n"));
}

TEST(CliPages, ShowTellsEverything) {
  DiskReport disk = connected_disk(0);
  disk.notices = {"page cache is used", "size rounded down"};
  const std::string page = page_of(disk);
  for (const char* line :
       {"disk             0/xvda\n", "path             /srv/0.img\n",
        "size             10.0 GiB (10737418240 bytes)\n", "notice           page cache is used\n",
        "notice           size rounded down\n", "backend state    4 (connected)\n",
        "protocol         x86_64-abi\n", "queues           2\n", "ring pages       8\n",
        "workers          1, 3\n", "reads            100, 400.0 KiB, mean latency 50 us\n",
        "writes           0\n"}) {
    EXPECT_THAT(page, HasSubstr(line));
  }
  EXPECT_THAT(page, Not(HasSubstr("reason")));
  EXPECT_THAT(page_of(refused_disk(0)), HasSubstr("reason           No such file"));
}

TEST(CliPages, APausedDiskSaysWhatItWaitsForAndSinceWhen) {
  const std::vector<DiskReport> disks{paused_disk(0)};
  EXPECT_THAT(text_of(list_table(disks)),
              HasSubstr("paused: no space  /srv/0.img: 3 request(s) wait; make room"));
  EXPECT_THAT(text_of(list_table(disks), true), HasSubstr("\033[31mpaused: no space\033[0m"));
  const std::string page = page_of(disks[0]);
  EXPECT_THAT(page, HasSubstr("state            paused: no space\n"));
  EXPECT_THAT(page, testing::ContainsRegex("paused since +2001-09-0[89] [0-9:]+\n"));
  EXPECT_THAT(page, HasSubstr("held             3\n"));
  EXPECT_THAT(page_of(connected_disk(0)), Not(HasSubstr("paused since")));
}

TEST(CliPages, ThePolicyOfADiskIsThreeLines) {
  DiskReport disk = paused_disk(0);
  const auto policy_of = [&disk] {
    std::ostringstream out;
    print_policy(disk, out);
    return out.str();
  };
  EXPECT_EQ(policy_of(),
            "on no space      pause\n"
            "on I/O error     report\n"
            "pause limit      none\n");
  disk.pause_limit_seconds = 60;
  EXPECT_THAT(policy_of(), HasSubstr("pause limit      60 s\n"));
}

TEST(CliPages, ADiskWithErrorsIsRedAndHasItsLastOne) {
  DiskReport disk = connected_disk(0);
  EXPECT_THAT(page_of(disk), Not(HasSubstr("last error")));
  disk.state = "errors";
  disk.last_error = {"read", 4096, "EIO", "Input/output error", "2026-11-28T21:00:00Z"};
  EXPECT_THAT(text_of(list_table(std::vector{disk}), true), HasSubstr("\033[31merrors\033[0m"));
  EXPECT_THAT(page_of(disk), HasSubstr("last error       read at byte 4096: Input/output error "
                                       "(EIO), 2026-11-28T21:00:00Z\n"));
}

TEST(CliPages, UnknownBusStatesStayNumbers) {
  DiskReport disk;
  disk.frontend_state = 9;
  EXPECT_THAT(page_of(disk), HasSubstr("frontend state   9\n"));
}

TEST(CliPages, StatsGiveRatesThenTotals) {
  DiskSample sample{connected_disk(0), {}};
  sample.rates.reads = {1234.4, 5.5e6, 81.6};
  const std::string text = text_of(stats_table(std::vector{sample}));
  EXPECT_THAT(
      text, testing::ContainsRegex(
                "0/xvda +connected +1234 +5\\.5 +82 +0 +0\\.0 +- +0 +- +0 +100 +400\\.0 KiB +0 "));
}

}  // namespace
}  // namespace tapring
