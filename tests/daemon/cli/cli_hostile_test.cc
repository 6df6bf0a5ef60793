// SPDX-License-Identifier: MIT
// Bytes that a guest, an image or a path has put into what the command shows.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <fstream>

#include "daemon/cli/image_holders.h"
#include "formats/printable.h"
#include "ring/open_file.h"
#include "tests/daemon/cli/cli_fixture.h"
#include "tests/daemon/cli/scripted_daemon.h"

namespace tapring {
namespace {

namespace json = boost::json;
using testing::HasSubstr;

// Not UTF-8; CSI in one character, and in two; what turns the text behind it round.
constexpr const char* kHostile =
    "\xff\xfe \xc2\x9b"
    "31m \x1b[2J \xe2\x80\xae";
constexpr const char* kShown = "\\xff\\xfe \\xc2\\x9b31m \\x1b[2J \\xe2\\x80\\xae";

class CliHostile : public Cli {
 protected:
  CliHostile() {
    DiskReport disk = refused_disk(0);
    for (std::string* text : {&disk.vdev, &disk.mode, &disk.format, &disk.path, &disk.state,
                              &disk.paused_for, &disk.reason, &disk.protocol}) {
      *text = kHostile;
    }
    disk.notices = {kHostile};
    reporter_.set({connected_disk(0), disk});
    reporter_.set_problems({kHostile});
  }

  /// Nothing in it but line ends is what a terminal obeys.
  static void expect_clean(std::string text) {
    std::erase(text, '\n');
    EXPECT_EQ(printable(text), text);
  }
};

TEST_F(CliHostile, BlindsNoCommand) {
  for (const auto& words : {std::initializer_list<const char*>{"list"},
                            {"show", "0/xvdb"},
                            {"stats", "--interval=0.01"}}) {
    EXPECT_EQ(tapring(words), 0) << err();
    EXPECT_THAT(out(), HasSubstr("0/xvdb"));
    expect_clean(err());
  }
}

TEST_F(CliHostile, IsShownForWhatItIs) {
  EXPECT_EQ(tapring({"show", "0/xvdb"}), 0);
  EXPECT_THAT(out(), HasSubstr(kShown));
  expect_clean(out());
  EXPECT_EQ(tapring({"list"}), 0);
  expect_clean(out());
  EXPECT_EQ(err(), std::string("tapring: ") + kShown + "\n");
}

TEST_F(CliHostile, LeavesJsonWhatItIs) {
  for (const auto& words : {std::initializer_list<const char*>{"list", "--json"},
                            {"show", "0/xvdb", "--json"},
                            {"stats", "--interval=0.01", "--json"}}) {
    EXPECT_EQ(tapring(words), 0) << err();
    EXPECT_TRUE(json::parse(out()).at("ok").as_bool());
    EXPECT_THAT(out(), testing::Not(HasSubstr("\xff")));
  }
}

TEST_F(CliHostile, MayBeTyped) {
  EXPECT_EQ(tapring({"show", kHostile, "--json"}), 1);
  EXPECT_THAT(std::string(json::parse(out()).at("error").as_string()),
              HasSubstr(std::string("there is no disk ") + kShown));
}

TEST_F(CliAlone, AnOlderDaemonsJsonIsReadThoughItIsNotUtf8) {
  const ScriptedDaemon daemon(
      directory_.path(),
      R"({"ok":true,"time_ns":1,"troubles":[],"disks":[{"disk":"2/xvda","reason":")"
      "\xff\xfe"
      R"("}]})"
      "\n");
  EXPECT_EQ(tapring({"list"}), 0) << err();
  EXPECT_THAT(out(), HasSubstr("2/xvda"));
  EXPECT_THAT(out(), HasSubstr("\\xff\\xfe"));
  EXPECT_EQ(tapring({"list", "--json"}), 0);
  EXPECT_EQ(json::parse(out()).at("disks").at(0).at("reason").as_string(), "\\xff\\xfe");
}

TEST_F(Cli, HolderFindsDisksByPathsOfAnyBytes) {
  const std::string image = directory_.path() / "gr\xfc\xdf \\xfe";
  std::ofstream(image) << "an image";
  DiskReport disk = connected_disk(3);
  disk.path = escaped(image);
  reporter_.set({disk});
  const OpenFile file = open_file({.path = image});
  EXPECT_EQ(tapring({"holder", image.c_str(), "--json"}), 0) << err();
  EXPECT_EQ(image_holders(image, {disk}).disks, std::vector<std::string>{"3/xvda"});
}

}  // namespace
}  // namespace tapring
