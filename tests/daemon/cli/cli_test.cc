// SPDX-License-Identifier: MIT
// The command and the daemon's side of it, end to end over a socket.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <chrono>
#include <fstream>
#include <initializer_list>
#include <optional>

#include "daemon/host/log.h"
#include "ring/open_file.h"
#include "tests/daemon/cli/cli_fixture.h"
#include "tests/daemon/cli/scripted_daemon.h"

namespace tapring {
namespace {

namespace json = boost::json;
using testing::HasSubstr;

TEST_F(Cli, ListShowsEveryDisk) {
  EXPECT_EQ(tapring({"list"}), 0);
  EXPECT_THAT(out(), testing::MatchesRegex("DISK .*\n0/xvda .*\n0/xvdb .*\n"));
  EXPECT_EQ(err(), "");
}

TEST_F(Cli, ListSaysWhatIsWrongWithAll) {
  reporter_.set_problems({"xenstore is away"});
  EXPECT_EQ(tapring({"list"}), 0);
  EXPECT_THAT(out(), testing::MatchesRegex("DISK .*\n0/xvda .*\n0/xvdb .*\n"));
  EXPECT_EQ(err(), "tapring: xenstore is away\n");
  EXPECT_EQ(tapring({"list", "--json"}), 0);
  EXPECT_EQ(json::parse(out()).at("troubles").at(0).as_string(), "xenstore is away");
}

TEST_F(Cli, ListAsJsonIsTheReports) {
  EXPECT_EQ(tapring({"list", "--json"}), 0);
  const json::value answer = json::parse(out());
  EXPECT_EQ(answer.at("disks").as_array().size(), 2U);
  EXPECT_EQ(answer.at("disks").at(1).at("state").as_string(), "refused");
}

TEST_F(Cli, ShowTakesAVdevOrANumber) {
  EXPECT_EQ(tapring({"show", "0/xvdb"}), 0);
  EXPECT_THAT(out(), HasSubstr("create it"));
  const std::string by_name = out();
  EXPECT_EQ(tapring({"show", "0/51728"}), 0);
  EXPECT_EQ(out(), by_name);
}

TEST_F(Cli, AnUnknownDiskIsExitCodeOne) {
  for (const char* command : {"show", "stats"}) {
    EXPECT_EQ(tapring({command, "1/xvda"}), 1);
    EXPECT_THAT(err(), HasSubstr("tapring: there is no disk 1/xvda"));
    EXPECT_EQ(out(), "");
  }
  EXPECT_EQ(tapring({"show", "1/xvda", "--json"}), 1);
  EXPECT_FALSE(json::parse(out()).at("ok").as_bool());
}

TEST_F(Cli, StatsShowWhatHappenedInBetween) {
  reporter_.read_between_reports(1000, 4096000, 50000000);
  EXPECT_EQ(tapring({"stats", "0/xvda", "--interval", "0.1", "--json"}), 0);
  const json::value answer = json::parse(out());
  const double seconds = answer.at("interval_seconds").as_double();
  EXPECT_GE(seconds, 0.1);
  const json::value& disk = answer.at("disks").at(0);
  const json::value& reads = disk.at("rates").at("reads");
  EXPECT_NEAR(reads.at("per_second").as_double() * seconds, 1000, 0.01);
  EXPECT_NEAR(reads.at("bytes_per_second").as_double() * seconds, 4096000, 1);
  EXPECT_DOUBLE_EQ(reads.at("mean_latency_us").as_double(), 50);
  EXPECT_TRUE(disk.at("rates").at("writes").at("mean_latency_us").is_null());
  EXPECT_EQ(disk.at("counters").at("reads").as_int64(), 2100);
}

TEST_F(Cli, StatsAreATableOfAllDisks) {
  reporter_.set({connected_disk(0), refused_disk(0), paused_disk(0)});
  EXPECT_EQ(tapring({"stats", "--interval=0.01"}), 0);
  EXPECT_THAT(out(), testing::MatchesRegex("DISK    STATE .*\n0/xvda  connected .*\n"
                                           "0/xvdb  refused .*\n0/xvdc  paused: no space .*\n"));
}

TEST_F(Cli, ResumeIsForAPausedDisk) {
  reporter_.set({connected_disk(0), paused_disk(0)});
  EXPECT_EQ(tapring({"resume", "0/xvda"}), 1);
  EXPECT_EQ(err(), "tapring: 0/xvda: it is not paused\n");
  EXPECT_EQ(tapring({"resume", "0/xvdc"}), 0);
  EXPECT_EQ(out(), "");
  EXPECT_EQ(tapring({"show", "0/xvdc", "--json"}), 0);
  EXPECT_EQ(json::parse(out()).at("disks").at(0).at("state").as_string(), "connected");
}

TEST_F(Cli, ResumeOfADiskThatStaysPausedFails) {
  reporter_.set({paused_disk(0)});
  reporter_.have_no_room();
  EXPECT_EQ(tapring({"resume", "0/xvdc"}), 1);
  EXPECT_EQ(err(),
            "tapring: 0/xvdc: still paused, no space: 3 request(s) wait; make room where the image "
            "is (df /srv/a.img)\n");
}

TEST_F(Cli, AdoptAndReleaseWaitForTheirEnd) {
  reporter_.set({connected_disk(0)});
  EXPECT_EQ(tapring({"release", "0/xvda"}), 0);
  EXPECT_EQ(reporter_.report().front().state, "kernel");
  EXPECT_EQ(tapring({"adopt", "0/xvda", "--json"}), 0);
  EXPECT_EQ(json::parse(out()).at("disks").at(0).at("state").as_string(), "connected");
  EXPECT_EQ(tapring({"adopt", "0/xvda"}), 1);
  EXPECT_EQ(err(), "tapring: 0/xvda: it is there already\n");
}

TEST_F(Cli, AdoptedIsADiskThatPausesAtOnce) {
  reporter_.set({connected_disk(0)});
  reporter_.pause_what_is_adopted();
  EXPECT_EQ(tapring({"release", "0/xvda"}), 0);
  EXPECT_EQ(tapring({"adopt", "0/xvda"}), 0) << err();
}

TEST_F(Cli, ReleaseThatFailsSaysWhy) {
  reporter_.set({connected_disk(0)});
  reporter_.fail_moves("Device or resource busy");
  EXPECT_EQ(tapring({"release", "0/xvda"}), 1);
  EXPECT_EQ(err(), "tapring: 0/xvda: Device or resource busy\n");
}

TEST_F(Cli, ReleaseOfAllGivesEachDiskThatIsServed) {
  reporter_.set({connected_disk(0), refused_disk(0), connected_disk(1)});
  EXPECT_EQ(tapring({"release", "--all"}), 0) << err();
  EXPECT_EQ(out(), "0/xvda: given to xen-blkback\n1/xvda: given to xen-blkback\n");
  EXPECT_EQ(reporter_.report().back().state, "kernel");
  EXPECT_EQ(tapring({"release", "--all"}), 0) << "none is left";
}

TEST_F(Cli, ReleaseOfAllNamesEachDiskThatStays) {
  reporter_.set({connected_disk(0), connected_disk(1)});
  reporter_.fail_moves("busy");
  EXPECT_EQ(tapring({"release", "--all"}), 1);
  EXPECT_EQ(err(),
            "tapring: 0/xvda: busy\ntapring: 1/xvda: busy\n"
            "tapring: 2 disk(s) stay with tapringd\n");
}

TEST_F(Cli, ReleaseIsOfOneDiskOrAll) {
  EXPECT_EQ(tapring({"release"}), 2);
  EXPECT_THAT(err(), HasSubstr("DISK or --all"));
  EXPECT_EQ(tapring({"release", "0/xvda", "--all"}), 2);
}

TEST_F(Cli, PolicySetsAndTells) {
  reporter_.set({paused_disk(0)});
  EXPECT_EQ(tapring({"policy", "0/xvdc", "--on-no-space", "report"}), 0);
  EXPECT_THAT(out(), testing::StartsWith("on no space      report\n"));
  EXPECT_EQ(tapring({"policy", "0/xvdc"}), 0);
  EXPECT_THAT(out(), testing::StartsWith("on no space      report\n"));
  EXPECT_EQ(tapring({"policy", "0/xvdc", "--on-io-error", "stop"}), 1);
  EXPECT_THAT(err(), HasSubstr("on_io_error = stop: must be report, pause or default"));
}

TEST_F(Cli, LogSetsAndTellsTheLevel) {
  EXPECT_EQ(tapring({"log", "error"}), 0);
  EXPECT_EQ(spdlog::get_level(), LogLevel::err);
  EXPECT_EQ(tapring({"log"}), 0);
  EXPECT_EQ(out(), "error\n");
  EXPECT_EQ(tapring({"log", "loud"}), 1);
  EXPECT_THAT(err(), HasSubstr("the levels are"));
}

TEST_F(Cli, HolderNamesTheDisksOfTapringd) {
  const std::string image = directory_.path() / "a.img";
  std::ofstream(image) << "an image";
  DiskReport disk = connected_disk(3);
  disk.path = image;
  reporter_.set({disk, refused_disk(4)});
  const OpenFile file = open_file({.path = image});
  ASSERT_EQ(::prctl(PR_SET_NAME, "tapringd"), 0);  // /proc/PID/comm
  const std::string daemon = "tapringd, pid " + std::to_string(::getpid());
  EXPECT_EQ(tapring({"holder", image.c_str()}), 0);
  EXPECT_EQ(out(), daemon + ": disk 3/xvda\n");
  EXPECT_EQ(tapring({"holder", "--json", image.c_str()}), 0);
  const json::value answer = json::parse(out());
  EXPECT_TRUE(answer.at("locked").as_bool());
  EXPECT_TRUE(answer.at("this_host").as_bool());
  EXPECT_EQ(answer.at("holders").at(0).at("pid").as_int64(), ::getpid());
  EXPECT_EQ(answer.at("holders").at(0).at("disks").at(0).as_string(), "3/xvda");
}

TEST_F(Cli, HolderNamesDisksWhoseGuestsWait) {
  const std::string image = directory_.path() / "a.img";
  std::ofstream(image) << "an image";
  const OpenFile file = open_file({.path = image});
  ASSERT_EQ(::prctl(PR_SET_NAME, "tapringd"), 0);
  DiskReport disk = paused_disk(3);
  disk.path = image;
  for (const char* state : {"paused", "closing", "connecting"}) {
    disk.state = state;
    reporter_.set({disk, refused_disk(4)});
    EXPECT_EQ(tapring({"holder", image.c_str()}), 0);
    EXPECT_THAT(out(), testing::EndsWith(": disk 3/xvdc\n")) << state;
  }
  for (const char* state : {"adopting", "releasing"}) {
    disk.state = state;
    EXPECT_TRUE(holds_image(disk)) << state;
  }
}

TEST_F(CliAlone, HolderNeedsNoDaemon) {
  const std::string image = directory_.path() / "a.img";
  std::ofstream(image) << "an image";
  EXPECT_EQ(tapring({"holder", image.c_str()}), 0);
  EXPECT_EQ(out(), "nobody\n");
  EXPECT_EQ(tapring({"holder", "/nothing/there"}), 1);
  EXPECT_THAT(err(), HasSubstr("open /nothing/there for reading (create it or correct the path)"));
}

TEST_F(CliAlone, WithoutADaemonTheSocketAndTheRemedyAreNamed) {
  for (const char* command : {"list", "stats", "log"}) {
    EXPECT_EQ(tapring({command}), 3);
    EXPECT_THAT(err(), HasSubstr((directory_.path() / "control.sock").string()));
    EXPECT_THAT(err(), HasSubstr("systemctl start tapringd"));
  }
}

TEST_F(CliAlone, WrongUsageIsExitCodeTwo) {
  EXPECT_EQ(tapring({}), 2);
  EXPECT_EQ(tapring({"destroy"}), 2);
  EXPECT_EQ(tapring({"show"}), 2);
  EXPECT_EQ(tapring({"list", "0/xvda"}), 2);
  EXPECT_EQ(tapring({"stats", "--interval", "0"}), 2);
  EXPECT_THAT(err(), HasSubstr("; see tapring stats --help"));
  EXPECT_EQ(tapring({"--frobnicate"}), 2);
  EXPECT_THAT(err(), HasSubstr("tapring --help"));
}

TEST_F(CliAlone, WrongUsageOfImageIsExitCodeOneAsTheHelpSays) {
  EXPECT_EQ(tapring({"image"}), 1);
  EXPECT_EQ(tapring({"image", "check"}), 1);
  EXPECT_EQ(tapring({"--help"}), 0);
  EXPECT_THAT(out(), HasSubstr("Of image: 1 for wrong\nusage too"));
}

TEST_F(CliAlone, AWordThatIsNoCommandGetsOneThatIs) {
  EXPECT_EQ(tapring({"lst"}), 2);
  EXPECT_EQ(err(), "tapring: there is no command \"lst\"; did you mean list?\n");
  EXPECT_EQ(tapring({"image", "infos", "x"}), 1);
  EXPECT_EQ(err(), "tapring: there is no command \"infos\"; did you mean info?\n");
  EXPECT_EQ(tapring({"frobnicate"}), 2);
  EXPECT_THAT(err(), HasSubstr("there is no command \"frobnicate\"; there are list, show, "));
}

TEST_F(CliAlone, HelpAndVersionAreCommandsToo) {
  EXPECT_EQ(tapring({"help"}), 0);
  EXPECT_THAT(out(), HasSubstr("adopt"));
  EXPECT_EQ(tapring({"help", "stats"}), 0);
  EXPECT_THAT(out(), HasSubstr("--interval"));
  EXPECT_EQ(tapring({"version"}), 0);
  EXPECT_THAT(out(), testing::StartsWith("tapring "));
}

TEST_F(Cli, JsonMayBeAskedForBeforeTheCommand) {
  EXPECT_EQ(tapring({"--json", "list"}), 0) << err();
  EXPECT_EQ(json::parse(out()).at("disks").as_array().size(), 2U);
}

TEST_F(Cli, ADiskWithoutANameIsWrongUsage) {
  for (const char* command : {"show", "stats", "resume"}) {
    EXPECT_EQ(tapring({command, ""}), 2);
    EXPECT_THAT(err(), HasSubstr("DISK: it is empty"));
  }
}

TEST_F(Cli, OutputThatIsLostIsAnError) {
  for (const auto& words : {std::initializer_list<const char*>{"list"},
                            {"list", "--json"},
                            {"show", "0/xvda"},
                            {"log"},
                            {"--help"},
                            {"--version"}}) {
    std::ofstream full("/dev/full");
    EXPECT_EQ(tapring(words, &full), 1) << *words.begin();
    EXPECT_THAT(err(), HasSubstr("could not be written"));
  }
}

TEST_F(CliAlone, ADaemonThatDoesNotAnswerMayStillDoIt) {
  const ScriptedDaemon daemon(directory_.path(), std::nullopt);
  patience_ = std::chrono::milliseconds(50);
  EXPECT_EQ(tapring({"policy", "0/xvda", "--on-no-space", "pause"}), 4);
  EXPECT_THAT(err(), HasSubstr("has not answered for 1 s"));
  EXPECT_THAT(err(), HasSubstr("may still happen"));
  EXPECT_EQ(tapring({"list"}), 4);
  EXPECT_THAT(err(), testing::Not(HasSubstr("may still happen")));
  EXPECT_EQ(tapring({"holder", "/dev/null"}), 0) << err();
}

TEST_F(CliAlone, HelpNamesEveryCommand) {
  EXPECT_EQ(tapring({"--help"}), 0);
  for (const char* command :
       {"list", "show", "stats", "resume", "adopt", "release", "policy", "log", "--run-dir"}) {
    EXPECT_THAT(out(), HasSubstr(command));
  }
}

TEST_F(CliAlone, VersionNamesTheCommand) {
  EXPECT_EQ(tapring({"--version"}), 0);
  EXPECT_THAT(out(), testing::StartsWith("tapring "));
}

}  // namespace
}  // namespace tapring
