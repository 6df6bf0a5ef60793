// SPDX-License-Identifier: MIT
#include "daemon/control/control_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "daemon/host/log.h"
#include "tests/daemon/control/fake_reporter.h"

namespace tapring {
namespace {

namespace json = boost::json;
using testing::ElementsAre;
using testing::HasSubstr;

class ControlCommand : public testing::Test {
 protected:
  ControlCommand() {
    DiskReport numbered_higher = connected_disk(2);
    numbered_higher.disk = "2/xvdz";
    numbered_higher.device = 60000;
    reporter_.set({connected_disk(10), numbered_higher, connected_disk(2), refused_disk(2)});
  }
  ~ControlCommand() override { set_log_level(LogLevel::info); }

  json::object answer(std::string_view request) {
    return json::parse(answer_control(request, reporter_)).as_object();
  }

  std::vector<std::string> disks(std::string_view request) {
    std::vector<std::string> names;
    const json::object object = answer(request);
    for (const json::value& disk : object.at("disks").as_array()) {
      names.emplace_back(disk.at("disk").as_string());
    }
    return names;
  }

  std::string refusal(std::string_view request) {
    const json::object object = answer(request);
    EXPECT_FALSE(object.at("ok").as_bool());
    return std::string(object.at("error").as_string());
  }

 private:
  FakeReporter reporter_;
};

TEST_F(ControlCommand, ListIsOrderedByDomainAndNumber) {
  EXPECT_THAT(disks(R"({"command":"list"})"), ElementsAre("2/xvda", "2/xvdb", "2/xvdz", "10/xvda"));
}

TEST_F(ControlCommand, ADiskIsNamedByItsVdevOrItsNumber) {
  EXPECT_THAT(disks(R"({"command":"show","disk":"2/xvdb"})"), ElementsAre("2/xvdb"));
  EXPECT_THAT(disks(R"({"command":"show","disk":"2/51728"})"), ElementsAre("2/xvdb"));
}

TEST_F(ControlCommand, StatsAreOfAllDisksOrOfOne) {
  EXPECT_EQ(disks(R"({"command":"stats"})").size(), 4U);
  EXPECT_THAT(disks(R"({"command":"stats","disk":"10/xvda"})"), ElementsAre("10/xvda"));
}

TEST_F(ControlCommand, TimePassesBetweenTwoAnswers) {
  const auto first = answer(R"({"command":"stats"})").at("time_ns").as_int64();
  EXPECT_GT(answer(R"({"command":"stats"})").at("time_ns").as_int64(), first);
}

TEST_F(ControlCommand, AnUnknownDiskIsRefused) {
  EXPECT_EQ(refusal(R"({"command":"show","disk":"3/xvda"})"),
            "there is no disk 3/xvda; tapring list shows those there are");
  EXPECT_THAT(refusal(R"({"command":"stats","disk":"a\nb"})"), HasSubstr("a\\x0ab"));
}

TEST_F(ControlCommand, LogSetsTheLevelOrOnlyTellsIt) {
  EXPECT_EQ(answer(R"({"command":"log","level":"error"})").at("level").as_string(), "error");
  EXPECT_EQ(spdlog::get_level(), LogLevel::err);
  EXPECT_EQ(answer(R"({"command":"log"})").at("level").as_string(), "error");
  EXPECT_THAT(refusal(R"({"command":"log","level":"loud"})"), HasSubstr("the levels are trace, "));
}

TEST_F(ControlCommand, ResumeAnswersWithTheDiskOrWhyNot) {
  EXPECT_EQ(refusal(R"({"command":"resume"})"), "\"disk\" is missing");
  EXPECT_EQ(refusal(R"({"command":"resume","disk":"2/xvdb"})"), "2/xvdb: it is not paused");
  EXPECT_THAT(refusal(R"({"command":"resume","disk":"3/xvda"})"), HasSubstr("there is no disk"));
}

TEST_F(ControlCommand, PolicyTakesTheWordsThatThereAre) {
  EXPECT_THAT(disks(R"({"command":"policy","disk":"2/xvdb"})"), ElementsAre("2/xvdb"));
  const auto answered =
      answer(R"({"command":"policy","disk":"2/xvdb","on_no_space":"report"})").at("disks");
  EXPECT_EQ(answered.at(0).at("on_no_space").as_string(), "report");
  EXPECT_THAT(refusal(R"({"command":"policy","disk":"2/xvdb","on_no_space":"a\nb"})"),
              HasSubstr("on_no_space = a\\x0ab: must be report, pause or default"));
  EXPECT_EQ(refusal(R"({"command":"policy","disk":"2/xvdb","pause_limit_seconds":5})"),
            "\"pause_limit_seconds\" must be a string");
}

TEST_F(ControlCommand, VersionNamesWhatItWasBuiltFrom) {
  EXPECT_THAT(std::string(answer(R"({"command":"version"})").at("liburing").as_string()),
              HasSubstr("2."));
}

TEST_F(ControlCommand, WhatIsNoRequestIsRefused) {
  EXPECT_THAT(refusal(""), HasSubstr("must be a JSON object"));
  EXPECT_THAT(refusal("{"), HasSubstr("must be a JSON object"));
  EXPECT_THAT(refusal("[]"), HasSubstr("must be a JSON object"));
  EXPECT_THAT(refusal(std::string(1000, '[')), HasSubstr("must be a JSON object"));
  EXPECT_EQ(refusal("{}"), "\"command\" is missing");
  EXPECT_EQ(refusal(R"({"command":1})"), "\"command\" must be a string");
  EXPECT_EQ(refusal(R"({"command":"destroy"})"), "there is no command destroy");
  EXPECT_EQ(refusal(R"({"command":"show"})"), "\"disk\" is missing");
  EXPECT_EQ(refusal(R"({"command":"show","disk":[]})"), "\"disk\" must be a string");
}

}  // namespace
}  // namespace tapring
