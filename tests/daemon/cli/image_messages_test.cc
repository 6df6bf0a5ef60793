// SPDX-License-Identifier: MIT
// What `tapring image` says to who does not know it yet, or is about to do something else than what
// was meant.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "ring/open_file.h"
#include "tests/daemon/cli/image_fixture.h"

namespace tapring {
namespace {

namespace json = boost::json;
using testing::HasSubstr;

using CliImageMessage = CliImage;

TEST_F(CliImageMessage, InfoTellsArchivesAndEncryptedDisksFromRawOnes) {
  run_command("truncate -s 64K " + shell_quoted(path("raw")));
  for (const std::string command : {"gzip", "xz", "bzip2", "tar"}) {
    const std::string packed = path("packed." + command);
    const std::string of_tar = "tar -C " + shell_quoted(directory_.path().string()) + " -cf - raw";
    const std::string pack = command == "tar" ? of_tar : command + " -c";
    run_command(pack + " <" + shell_quoted(path("raw")) + " >" + shell_quoted(packed));
    EXPECT_EQ(tapring({"info", packed}), 0) << err();
    EXPECT_THAT(out(), HasSubstr("format           " + command)) << command;
    EXPECT_THAT(out(), HasSubstr(packed + " unpacks it"));
  }
  for (const auto& [format, magic] : {std::pair{"zstd", "\x28\xB5\x2F\xFD"},
                                      std::pair{"luks", "LUKS\xBA\xBE"}}) {
    std::ofstream(path(format)) << magic;
    EXPECT_EQ(tapring({"info", path(format)}), 0) << err();
    EXPECT_THAT(out(), HasSubstr(std::string("tapring serves no ") + format));
    EXPECT_EQ(tapring({"info", "--format", "raw", path(format)}), 0) << err();
    EXPECT_THAT(out(), testing::Not(HasSubstr("serves no")));
  }
}

TEST_F(CliImageMessage, WhatIsNoQcow2ImageIsNotCalledTooShortForOne) {
  std::ofstream(path("text")) << "a text";
  for (const auto& words : {std::vector<std::string>{"check", path("text")},
                            {"info", "--format", "qcow2", path("text")}}) {
    EXPECT_EQ(tapring(words), 1);
    EXPECT_THAT(err(), HasSubstr("is no qcow2 image"));
    EXPECT_THAT(err(), testing::Not(HasSubstr("Invalid argument")));
  }
  std::filesystem::resize_file(create("image"), 100);
  EXPECT_EQ(tapring({"check", path("image")}), 1);
  EXPECT_THAT(err(), HasSubstr("is too short for a qcow2 image\n"));
}

TEST_F(CliImageMessage, AFormatThatIsNoneIsAnsweredWithThoseThereAre) {
  const std::string image = create("image");
  for (const std::string command : {"info", "map"}) {
    EXPECT_EQ(tapring({command, "--format", "QCOW2", image}), 1);
    EXPECT_EQ(out(), "");
    EXPECT_EQ(err(), "tapring: " + image +
                         ": there is no driver for the format QCOW2 (there are raw, aio, qcow, "
                         "qcow2)\n");
  }
}

TEST_F(CliImageMessage, ADiskLineIsAnsweredWithThePathAlone) {
  const std::string image = create("image");
  EXPECT_EQ(tapring({"info", "qcow2:" + image}), 1);
  EXPECT_THAT(err(), HasSubstr("give the path alone: " + image));
  EXPECT_EQ(tapring({"map", image + "@first"}), 1);
  EXPECT_THAT(err(), HasSubstr("give the path alone: " + image));
  EXPECT_EQ(tapring({"check", ""}), 1);
  EXPECT_THAT(err(), HasSubstr("IMAGE: it is empty"));
  std::filesystem::rename(image, image + "@first");
  EXPECT_EQ(tapring({"check", image + "@first"}), 0) << err();
}

/// Whoever types a command attaches no disk, and is no service.
TEST_F(CliImageMessage, RemediesAreForWhoTypes) {
  std::filesystem::create_symlink("loop", path("loop"));
  EXPECT_EQ(tapring({"info", path("loop")}), 1);
  EXPECT_THAT(err(), HasSubstr("its links lead in a circle"));
  for (const std::string command : {"info", "check", "map"}) {
    EXPECT_EQ(tapring({command, "/proc/self/mem/none"}), 1);
    EXPECT_THAT(err(), HasSubstr("(correct the path)"));
  }
  EXPECT_EQ(tapring({"check", "--repair", "all", path("loop")}), 1);
  EXPECT_THAT(err(), HasSubstr("its links lead in a circle"));
  FileOptions options;
  options.path = "/proc/sys/kernel/ostype";  // nobody may write it
  for (const Audience audience : {Audience::shell, Audience::operators}) {
    options.audience = audience;
    try {
      open_file(options);
      ADD_FAILURE() << "it was opened";
    } catch (const std::system_error& error) {
      const bool of_service = std::string(error.what()).contains("attach it with mode r");
      EXPECT_EQ(of_service, audience == Audience::operators) << error.what();
    }
  }
}

TEST_F(CliImageMessage, WrongUsageIsAnsweredWithTheHelpOfTheCommand) {
  const std::string image = create("image");
  EXPECT_EQ(tapring({"info", "--frobnicate", image}), 1);
  EXPECT_THAT(err(), HasSubstr("; see tapring image info --help"));
  EXPECT_EQ(tapring({"check", "--repair", image}), 1);
  EXPECT_THAT(err(),
              HasSubstr("--repair: " + image + " is not leaks or all, as in --repair all IMAGE"));
  EXPECT_EQ(tapring({"create", "--format", "QCOW2", path("new")}), 1);
  EXPECT_THAT(err(), HasSubstr("--format: QCOW2 is not qcow2 or raw"));
}

TEST_F(CliImageMessage, TheWaysOfQemuImgAreAnsweredWithOurs) {
  const std::string image = create("image");
  EXPECT_EQ(tapring({"info", "-f", "qcow2", image}), 1);
  EXPECT_THAT(err(), HasSubstr("(-f is of qemu-img; here there is --format)"));
  EXPECT_EQ(tapring({"info", "--output=json", image}), 1);
  EXPECT_THAT(err(), HasSubstr("here there is --json"));
  EXPECT_EQ(tapring({"create", "--format", "qcow2", path("new"), "10G"}), 1);
  EXPECT_THAT(err(), HasSubstr("the size is given as --size 10G"));
  EXPECT_EQ(tapring({"info", image, "10G"}), 1);
  EXPECT_THAT(err(), testing::Not(HasSubstr("--size")));
}

TEST_F(CliImageMessage, CreateSaysWhereItCannotBe) {
  const std::string nowhere = path("none") + "/image";
  EXPECT_EQ(tapring({"create", nowhere, "--format", "raw", "--size", "1M"}), 1);
  EXPECT_THAT(err(), HasSubstr("(make its directory first: mkdir -p " + path("none") + ")"));
  EXPECT_EQ(tapring({"create", "/proc/image", "--format", "raw", "--size", "1M"}), 1);
  EXPECT_THAT(err(), HasSubstr("create /proc/image (choose another directory"));
  const std::string directory = directory_.path().string();
  for (const std::string force : {"--json", "--force"}) {
    EXPECT_EQ(tapring({"create", directory, "--format", "raw", "--size", "1M", force}), 1);
    EXPECT_THAT(err(), HasSubstr(directory + " is a directory (name a file in it)"));
  }
}

TEST_F(CliImageMessage, CreateSaysWhatMayNotBeMeant) {
  EXPECT_EQ(tapring({"create", path("odd"), "--format", "raw", "--size", "1000", "--json"}), 0);
  EXPECT_THAT(err(), HasSubstr("the disk has 1024 bytes: 1000 are no whole sectors of 512"));
  EXPECT_EQ(json::parse(out()).at("notices").as_array().size(), 1U);
  EXPECT_EQ(tapring({"create", path("even"), "--format", "raw", "--size", "1024", "--json"}), 0);
  EXPECT_TRUE(json::parse(out()).at("notices").as_array().empty());
  create("base");
  EXPECT_EQ(tapring({"create", path("top"), "--format", "qcow2", "--backing", "base",
                     "--backing-format", "raw"}),
            0);
  EXPECT_THAT(err(), HasSubstr(path("base") + " looks like qcow2, and is taken as it is: raw"));
}

}  // namespace
}  // namespace tapring
