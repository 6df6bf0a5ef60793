// SPDX-License-Identifier: MIT
// What images may name. Run by root, who alone may give files to others; as any other user all
// files belong to, it shows less.
#include "formats/file_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

#include "formats/image_file.h"
#include "formats/owner_rule.h"
#include "formats/qcow/open_qcow.h"
#include "formats/qcow2/open_qcow2.h"
#include "tests/daemon/temporary_directory.h"
#include "tests/formats/qcow/qcow_image.h"
#include "tests/formats/qemu.h"

namespace tapring {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr uid_t kAlice = 1001;
constexpr uid_t kBob = 1002;

class FilePolicyTest : public testing::Test {
 protected:
  FilePolicyTest() {
    ::chmod(directory_.path().c_str(), 0755);
    make("alice", kAlice, 0755);
    make("bob", kBob, 0755);
  }

  fs::path path(const std::string& name) const { return directory_.path() / name; }

  void make(const std::string& directory, uid_t owner, mode_t mode) {
    fs::create_directory(path(directory));
    give(directory, owner, mode);
  }

  void give(const std::string& name, uid_t owner, mode_t mode) {
    ASSERT_EQ(::chown(path(name).c_str(), owner, owner), 0);
    ASSERT_EQ(::chmod(path(name).c_str(), mode), 0);
  }

  fs::path make_file(const std::string& name, uid_t owner, mode_t mode) {
    std::ofstream(path(name)).close();
    fs::resize_file(path(name), 1 << 20);
    give(name, owner, mode);
    return path(name);
  }

  bool could_open(uid_t user, const fs::path& file, bool writes = false) const {
    bool could = false;
    open_file({.path = file, .read_only = true, .check = [&](const FoundFile& found) {
                 could = owner_could_open(user, found, writes);
               }});
    return could;
  }

  fs::path create(const std::string& name, const std::string& options, uid_t owner = kAlice) {
    run_command("qemu-img create -q -f qcow2 " + options + ' ' + path(name).string() + " 1M");
    give(name, owner, 0644);
    return path(name);
  }

  std::string refusal(const fs::path& image, bool read_only = true) const {
    ImageOptions options;
    options.path = image;
    options.read_only = read_only;
    options.files = policy_;
    try {
      open_qcow2(options);
    } catch (const std::system_error& error) {
      EXPECT_EQ(error.code(), std::errc::permission_denied);
      return error.what();
    }
    return {};
  }

  TemporaryDirectory directory_{memory_directory()};
  FilePolicy policy_{{}, NamedFiles::owner, {}};
};

TEST_F(FilePolicyTest, AnOwnerCouldOpenWhatItsPermissionsSay) {
  const fs::path file = make_file("bob/file", kBob, 0640);
  EXPECT_TRUE(could_open(kBob, file));
  EXPECT_TRUE(could_open(kBob, file, true));
  EXPECT_FALSE(could_open(kAlice, file));
  EXPECT_TRUE(could_open(0, file, true));
  give("bob/file", kBob, 0444);
  EXPECT_TRUE(could_open(kAlice, file));
  EXPECT_FALSE(could_open(kBob, file, true));
  EXPECT_FALSE(could_open(kAlice, file, true));
  give("bob/file", kBob, 0606);
  EXPECT_FALSE(could_open(kAlice, file));  // who may be in the group
}

TEST_F(FilePolicyTest, AnOwnerCouldNotOpenWhatADirectoryHides) {
  make("bob/deep", kBob, 0700);
  make("bob/deep/deeper", kBob, 0755);
  const fs::path file = make_file("bob/deep/deeper/file", kBob, 0666);
  EXPECT_FALSE(could_open(kAlice, file));
  EXPECT_TRUE(could_open(kBob, file, true));
  give("bob/deep", kBob, 0711);
  EXPECT_TRUE(could_open(kAlice, file, true));
}

// All users outside a user namespace have one number in it.
TEST_F(FilePolicyTest, NobodyOwnsNothing) {
  constexpr uid_t kNobody = 65534;
  const fs::path file = make_file("file", kNobody, 0600);
  EXPECT_FALSE(could_open(kNobody, file));
}

TEST_F(FilePolicyTest, AnImageReadsByItsBackingFileWhatItsOwnerMayRead) {
  make_file("bob/disk", kBob, 0600);
  const fs::path image = create("alice/image", "-b ../bob/disk -F raw");
  EXPECT_THAT(refusal(image), HasSubstr(image.string() + ": its backing file: "));
  EXPECT_THAT(refusal(image), HasSubstr("by an image of uid 1001, who may not read it"));
  give("bob/disk", kBob, 0644);
  EXPECT_EQ(refusal(image), "");
  give("bob/disk", kBob, 0600);
  give("alice/image", 0, 0644);
  EXPECT_EQ(refusal(image), "");
}

TEST_F(FilePolicyTest, AnImageWritesByItsDataFileWhatItsOwnerMayWrite) {
  const fs::path image = create("alice/image", "-o data_file=" + path("bob/disk").string());
  give("bob/disk", kBob, 0644);
  EXPECT_EQ(refusal(image), "");
  EXPECT_THAT(refusal(image, false), HasSubstr("its data file: "));
  EXPECT_THAT(refusal(image, false), HasSubstr("who may not write it"));
  give("bob/disk", kAlice, 0644);
  EXPECT_EQ(refusal(image, false), "");
}

// A chain does not lend the rights of its other images.
TEST_F(FilePolicyTest, EachImageOfAChainNamesByItsOwnOwner) {
  make_file("bob/disk", kBob, 0600);
  create("bob/base", "-b disk -F raw", kBob);
  const fs::path image = create("alice/image", "-b ../bob/base -F qcow2");
  EXPECT_EQ(refusal(image), "");
  give("bob/base", kAlice, 0644);
  EXPECT_THAT(refusal(image), HasSubstr("uid 1001"));
}

TEST_F(FilePolicyTest, AQcowImageHasTheSameRule) {
  make_file("bob/disk", kBob, 0600);
  make_qcow(path("alice/image"), {.size_bytes = 1 << 20, .backing_name = "../bob/disk"});
  give("alice/image", kAlice, 0644);
  ImageOptions options;
  options.path = path("alice/image");
  options.read_only = true;
  options.backing_formats = {"raw"};
  options.files = policy_;
  EXPECT_THROW(open_qcow(options), std::system_error);
  give("bob/disk", kBob, 0644);
  EXPECT_NO_THROW(open_qcow(options));
}

TEST_F(FilePolicyTest, OfTheDirectory) {
  policy_.named = NamedFiles::directory;
  make_file("base", 0, 0644);
  make_file("alice/base", kAlice, 0644);
  EXPECT_THAT(refusal(create("alice/up", "-b ../base -F raw")), HasSubstr("outside "));
  EXPECT_EQ(refusal(create("alice/beside", "-b base -F raw")), "");
  fs::create_symlink("../base", path("alice/link"));
  EXPECT_THAT(refusal(create("alice/by_link", "-b link -F raw")), HasSubstr("outside "));
  make_file("alice/base", kBob, 0600);
  EXPECT_THAT(refusal(path("alice/beside")), HasSubstr("who may not read it"));
}

TEST_F(FilePolicyTest, OfTheListedDirectories) {
  policy_.named = NamedFiles::listed;
  policy_.listed = {path("none"), path("bob")};
  make_file("bob/base", kBob, 0644);
  make_file("alice/base", kAlice, 0644);
  EXPECT_EQ(refusal(create("alice/image", "-b ../bob/base -F raw")), "");
  EXPECT_THAT(refusal(create("alice/other", "-b base -F raw")),
              HasSubstr("in no directory of named_file_directories"));
}

TEST_F(FilePolicyTest, OfNone) {
  policy_.named = NamedFiles::none;
  make_file("alice/base", kAlice, 0644);
  EXPECT_THAT(refusal(create("alice/image", "-b base -F raw", 0)),
              HasSubstr("may not be named by an image"));
  EXPECT_EQ(refusal(create("alice/alone", "")), "");
}

}  // namespace
}  // namespace tapring
