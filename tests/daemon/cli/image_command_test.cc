// SPDX-License-Identifier: MIT
#include "daemon/cli/image_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "formats/format.h"
#include "formats/image.h"
#include "ring/open_file.h"
#include "tests/daemon/cli/image_fixture.h"

namespace tapring {
namespace {

namespace json = boost::json;
using testing::HasSubstr;

TEST_F(CliImage, InfoSaysWhatQemuSays) {
  create("base", "-o compat=0.10");
  const std::string image = create("image", "-b base -F qcow2 -o extended_l2=on,refcount_bits=64");
  run_command("qemu-img snapshot -c first " + shell_quoted(image));
  run_command("qemu-img bitmap --add -g 32k " + shell_quoted(image) + " changes");
  ASSERT_EQ(tapring({"info", "--json", image}), 0) << err();
  const json::value info = json::parse(out()).at("images").at(0);
  const json::value by_qemu =
      json::parse(run_command("qemu-img info -U --output=json " + shell_quoted(image)));
  EXPECT_EQ(info.at("format"), by_qemu.at("format"));
  EXPECT_EQ(info.at("size_bytes"), by_qemu.at("virtual-size"));
  EXPECT_EQ(info.at("taken_bytes"), by_qemu.at("actual-size"));
  EXPECT_EQ(info.at("cluster_bytes"), by_qemu.at("cluster-size"));
  EXPECT_EQ(info.at("backing_file"), by_qemu.at("backing-filename"));
  EXPECT_EQ(info.at("backing_format"), by_qemu.at("backing-filename-format"));
  const json::value& snapshot = by_qemu.at("snapshots").at(0);
  EXPECT_EQ(info.at("snapshots").at(0).at("name"), snapshot.at("name"));
  EXPECT_EQ(info.at("snapshots").at(0).at("id"), snapshot.at("id"));
  EXPECT_EQ(info.at("snapshots").at(0).at("date_seconds"), snapshot.at("date-sec"));
  const json::value& data = by_qemu.at("format-specific").at("data");
  EXPECT_EQ(info.at("refcount_bits"), data.at("refcount-bits"));
  EXPECT_EQ(info.at("compression"), data.at("compression-type"));
  EXPECT_EQ(info.at("bitmaps").at(0).at("name"), data.at("bitmaps").at(0).at("name"));
  EXPECT_EQ(info.at("bitmaps").at(0).at("granularity_bytes"),
            data.at("bitmaps").at(0).at("granularity"));
}

TEST_F(CliImage, InfoOfAQcowImageNamesTheBackingFileWhoseFormatItCannotState) {
  create("base");
  const std::string image = path("image");
  run_command("qemu-img create -q -f qcow -b base -F qcow2 " + shell_quoted(image));
  EXPECT_EQ(tapring({"info", "--json", image}), 0) << err();
  const json::value info = json::parse(out()).at("images").at(0);
  EXPECT_EQ(info.at("format"), "qcow");
  EXPECT_EQ(info.at("backing_file"), "base");
  EXPECT_EQ(info.at("size_bytes"), 8 << 20);
  EXPECT_EQ(tapring({"info", image}), 0);
  EXPECT_THAT(out(), HasSubstr("backing file     base"));
  EXPECT_EQ(tapring({"info", "--chain", image}), 1);
  EXPECT_THAT(err(), HasSubstr("the format of the backing file"));
}

TEST_F(CliImage, ChainsOfQcowImagesTakeTheirFormatsFromTheCommand) {
  run_command("truncate -s 1M " + shell_quoted(path("raw")));
  run_command("qemu-img create -q -f qcow -b raw -F raw " + shell_quoted(path("low")));
  create("middle", "-b low -F qcow");
  const std::string top = path("top");
  run_command("qemu-img create -q -f qcow -b middle -F qcow2 " + shell_quoted(top));
  const auto with_formats = [&top](const char* command, const char* output) {
    return std::vector<std::string>{
        command, top, "--chain", output, "--backing-format", "qcow2", "--backing-format", "raw"};
  };
  EXPECT_EQ(tapring(with_formats("info", "--json")), 0) << err();
  EXPECT_EQ(json::parse(out()).at("images").as_array().size(), 4U);
  EXPECT_EQ(tapring(with_formats("map", "--json")), 0) << err();
  EXPECT_EQ(json::parse(out()).at("extents").at(0).at("depth"), 3);
  EXPECT_EQ(tapring({"map", "--chain", top, "--backing-format", "qcow2"}), 1);
  EXPECT_THAT(err(), HasSubstr("state it: --backing-format FORMAT"));
}

/// For LUKS qemu-img measures the processor, and fails now and then where others use it, too.
void create_encrypted(const std::string& format, const std::string& method,
                      const std::string& image) {
  const std::string command =
      "qemu-img create -q --object secret,id=s,data=abc -f " + format +
      " -o encrypt.key-secret=s,encrypt.format=" + method +
      (method == "luks" ? ",encrypt.iter-time=10 " : " ") + shell_quoted(image) + " 8M";
  run_command("for try in 1 2 3 4 5 6 7 8 9; do " + command + " 2>/dev/null && exit; done; " +
              command);
}

TEST_F(CliImage, InfoDescribesEncryptedImagesThatAreNotServed) {
  constexpr std::pair<const char*, const char*> kKinds[] = {
      {"qcow", "aes"}, {"qcow2", "aes"}, {"qcow2", "luks"}};
  for (const auto& [format, method] : kKinds) {
    const std::string image = path(std::string(format) + method);
    create_encrypted(format, method, image);
    EXPECT_EQ(tapring({"info", "--json", image}), 0) << err();
    const json::value info = json::parse(out()).at("images").at(0);
    EXPECT_EQ(info.at("size_bytes"), 8 << 20);
    EXPECT_EQ(info.at("encryption"), method == std::string("luks") ? "LUKS" : "AES");
    EXPECT_THAT(info.at("troubles").at(0).as_string().c_str(), HasSubstr("are not served"));
    EXPECT_EQ(tapring({"info", image}), 0) << err();
    EXPECT_THAT(out(), HasSubstr("encryption       "));
    ImageOptions options;
    options.path = image;
    EXPECT_THROW(find_format(format)->open(options), std::system_error);
    EXPECT_EQ(tapring({"map", image}), 1);
    EXPECT_THAT(err(), HasSubstr("are not served"));
  }
}

TEST_F(CliImage, InfoNamesFormatsThatHaveNoDriver) {
  for (const std::string format : {"vpc", "vmdk", "vdi", "vhdx", "qed"}) {
    const std::string image = path(format);
    run_command("qemu-img create -q -f " + format + ' ' + shell_quoted(image) + " 4M");
    EXPECT_EQ(tapring({"info", image}), 0) << err();
    EXPECT_THAT(out(), HasSubstr("format           " + format));
    EXPECT_THAT(out(), HasSubstr("\nfile size        "));
    EXPECT_THAT(out(), HasSubstr("tapring serves no " + format + " (qemu-img convert -f " + format +
                                 " -O qcow2 " + image));
    EXPECT_EQ(tapring({"info", "--json", image}), 0) << err();
    EXPECT_TRUE(json::parse(out()).at("images").at(0).at("size_bytes").is_null());
    EXPECT_EQ(tapring({"map", image}), 1);
    EXPECT_EQ(out(), "");
    EXPECT_THAT(err(), HasSubstr("there is no map of " + format));
    EXPECT_EQ(tapring({"check", image}), 1);
    EXPECT_THAT(err(), HasSubstr("only those are checked here (it looks like " + format + ")"));
    ImageOptions options;
    options.path = image;
    options.read_only = true;
    EXPECT_THAT(find_format("aio")->open(options)->notices(),
                testing::Contains(HasSubstr("looks like " + format)));
  }
}

/// A guest that encrypts its whole disk is nothing to tell.
TEST_F(CliImage, AnEncryptedDiskIsServedWithoutANotice) {
  ImageOptions options;
  options.path = path("disk");
  options.read_only = true;
  for (const auto& [format, magic] : {std::pair{"gzip", "\x1F\x8B"},
                                      std::pair{"luks", "LUKS\xBA\xBE"}}) {
    std::ofstream(options.path) << magic;
    std::filesystem::resize_file(options.path, 1 << 20);
    const bool is_told = format == std::string("gzip");
    EXPECT_THAT(find_format("raw")->open(options)->notices(),
                testing::Contains(HasSubstr("looks like")).Times(is_told ? 1 : 0));
  }
}

TEST_F(CliImage, InfoFollowsTheChainAsFarAsFormatsAreStated) {
  run_command("truncate -s 1M " + shell_quoted(path("raw")));
  create("middle", "-b raw -F raw");
  const std::string top = create("top", "-b middle -F qcow2");
  EXPECT_EQ(tapring({"info", "--chain", "--json", top}), 0) << err();
  EXPECT_EQ(json::parse(out()).at("images").as_array().size(), 3U);
  EXPECT_EQ(tapring({"info", "--chain", top}), 0);
  EXPECT_THAT(out(), HasSubstr("backing file     middle"));
  // An unknown extension in the place of the stated format.
  std::fstream(path("middle"), std::ios::in | std::ios::out | std::ios::binary).seekp(112)
      << "\x11\x11\x11\x11";
  EXPECT_EQ(tapring({"info", "--chain", top}), 1);
  EXPECT_THAT(err(), HasSubstr("is not stated"));
}

TEST_F(CliImage, InfoOfAnImageInUseSaysByWhom) {
  const std::string image = create("image");
  FileOptions options;
  options.path = image;
  const OpenFile held = open_file(options);
  ASSERT_EQ(::prctl(PR_SET_NAME, "holder"), 0);
  EXPECT_EQ(tapring({"info", image}), 0) << err();
  EXPECT_THAT(out(), HasSubstr("in use by        holder, pid "));
}

TEST_F(CliImage, CheckHasTheExitCodesOfQemuImg) {
  const std::string image = make_dirty();
  EXPECT_EQ(tapring({"check", image}), 2);
  EXPECT_THAT(out(), HasSubstr("has a refcount of 0, and 1 references"));
  EXPECT_EQ(tapring({"check", "--repair", "all", "--json", image}), 0) << err();
  EXPECT_FALSE(json::parse(out()).at("dirty").as_bool());
  EXPECT_EQ(json::parse(out()).at("left").at("corruptions"), 0);
  EXPECT_EQ(complaints_of_qemu(image), "");
  EXPECT_EQ(tapring({"check", image}), 0);
  EXPECT_THAT(out(), HasSubstr("no errors"));
  EXPECT_EQ(tapring({"check", path("none")}), 1);
  EXPECT_EQ(tapring({"check", "--repair", "some", image}), 1);
}

TEST_F(CliImage, CheckShowsProgressOnATerminal) {
  const std::string image = make_dirty();
  std::ostringstream terminal;
  EXPECT_EQ(tapring({"check", "--repair", "all", image}, &terminal), 0);
  EXPECT_THAT(terminal.str(), HasSubstr("checking ["));
  EXPECT_THAT(terminal.str(), HasSubstr("repairing ["));
  EXPECT_THAT(terminal.str(), HasSubstr("100 %"));
}

TEST_F(CliImage, AnImageInUseIsNotRepaired) {
  const std::string image = make_dirty();
  FileOptions options;
  options.path = image;
  const OpenFile held = open_file(options);
  ASSERT_EQ(::prctl(PR_SET_NAME, "holder"), 0);
  EXPECT_EQ(tapring({"check", "--repair", "all", image}), 1);
  EXPECT_THAT(err(), HasSubstr(image + " is in use by holder, pid "));
}

/// What its guest has under way would be taken for leaks.
TEST_F(CliImage, AnImageThatADiskUsesWithoutItsLockIsNeitherRepairedNorOverwritten) {
  const std::string image = make_dirty();
  FileOptions options;
  options.path = image;
  options.lock = {.sharing = Sharing::unlocked, .fence = kFirstFence};
  const OpenFile held = open_file(options);
  ASSERT_EQ(::prctl(PR_SET_NAME, "holder"), 0);
  EXPECT_EQ(tapring({"check", "--repair", "all", image}), 1);
  EXPECT_THAT(err(), HasSubstr(image + " is in use by holder, pid "));
  EXPECT_EQ(tapring({"create", "--format", "raw", "--size", "1M", "--force", image}), 1);
  EXPECT_THAT(err(), HasSubstr(image + " is in use by holder, pid "));
}

/// The same image, in our words and in those of qemu-img.
struct NewImage {
  const char* what;
  std::vector<std::string> ours;
  const char* of_qemu;
};

const NewImage kNewImages[] = {
    {"plain", {}, "compat=1.1"},
    {"version_2", {"--compat", "2"}, "compat=0.10"},
    {"version_of_qemu", {"--compat", "0.10"}, "compat=0.10"},
    {"small_clusters",
     {"--cluster-size", "512", "--refcount-bits", "1", "--lazy-refcounts"},
     "cluster_size=512,refcount_bits=1,lazy_refcounts=on"},
    {"large_clusters", {"--cluster-size", "2M"}, "cluster_size=2M"},
    {"subclusters",
     {"--extended-l2", "--compression", "zstd"},
     "extended_l2=on,compression_type=zstd"},
    {"preallocated", {"--preallocate", "metadata"}, "preallocation=metadata"},
    {"allocated",
     {"--preallocate", "falloc", "--extended-l2", "--cluster-size", "16K"},
     "preallocation=falloc,extended_l2=on,cluster_size=16k"},
    {"data_file", {"--data-file", "DATA"}, "data_file=DATA"},
    {"raw_data_file",
     {"--data-file", "DATA", "--data-file-raw"},
     "data_file=DATA,data_file_raw=on"},
    {"backing_file", {"--backing", "base", "--backing-format", "qcow2"}, "compat=1.1"},
};

class CliImageCreate : public CliImage, public testing::WithParamInterface<NewImage> {};

INSTANTIATE_TEST_SUITE_P(Images, CliImageCreate, testing::ValuesIn(kNewImages),
                         [](const auto& tested) { return std::string(tested.param.what); });

json::value format_data(const std::string& image) {
  json::value info = json::parse(run_command("qemu-img info --output=json " + shell_quoted(image)));
  json::object& object = info.as_object();
  return json::array{object["virtual-size"], object["cluster-size"], object["format-specific"],
                     object["backing-filename-format"]};
}

TEST_P(CliImageCreate, IsWhatQemuMakesOfThem) {
  create("base");
  std::vector<std::string> words{"create", path("image"), "--format", "qcow2", "--size", "8M"};
  for (const std::string& word : GetParam().ours) {
    words.push_back(word == "DATA" ? path("image.data") : word);
  }
  ASSERT_EQ(tapring(words), 0) << err();
  const std::string image = path("image");
  EXPECT_EQ(complaints_of_qemu(image), "");
  const json::value made = format_data(image);
  run_command(
      "qemu-io -f qcow2 -c 'write -q -P 5 1M 3M' -c 'read -q -P 5 1M 3M' -c "
      "'read -q -P 0 4M 4M' " +
      shell_quoted(image));
  EXPECT_EQ(complaints_of_qemu(image), "");
  std::string options = GetParam().of_qemu;
  if (const auto at = options.find("DATA"); at != std::string::npos) {
    options.replace(at, 4, path("image.data"));
  }
  const bool backed = GetParam().what == std::string("backing_file");
  create("by_qemu", "-o " + options + (backed ? " -b base -F qcow2" : ""));
  EXPECT_EQ(made, format_data(path("by_qemu")));
}

TEST_F(CliImage, AMapThatEndsInATroubleIsJsonAllTheSame) {
  const std::string base = create("base");
  const std::string image = create("image", "-b base -F qcow2");
  EXPECT_EQ(tapring({"map", "--json", "--chain", image}), 0) << err();
  EXPECT_EQ(json::parse(out()).at("ok"), true);
  EXPECT_EQ(json::parse(out()).at("extents").as_array().size(), 1U);
  std::filesystem::resize_file(base, 100);
  EXPECT_EQ(tapring({"map", "--json", "--chain", image}), 1);
  const json::value answer = json::parse(out());
  EXPECT_EQ(answer.at("ok"), false);
  EXPECT_TRUE(answer.at("extents").as_array().empty());
  EXPECT_THAT(std::string(answer.at("error").as_string()), HasSubstr(base));
  EXPECT_THAT(err(), HasSubstr(base));
}

TEST_F(CliImage, CreateOverwritesOnlyWhenItIsTold) {
  const std::string image = create("image", "-o cluster_size=4k");
  const std::vector<std::string> words{"create", image, "--format", "raw", "--size", "10000"};
  EXPECT_EQ(tapring(words), 1);
  EXPECT_THAT(err(), HasSubstr(image + " is there already (--force overwrites it)"));
  EXPECT_EQ(tapring({"check", image}), 0);
  EXPECT_EQ(tapring({"create", image, "--format", "raw", "--size", "10000", "--force"}), 0);
  EXPECT_EQ(std::filesystem::file_size(image), 10240U);
}

TEST_F(CliImage, CreateShowsHowFarItIs) {
  std::ostringstream terminal;
  EXPECT_EQ(tapring({"create", path("image"), "--format", "qcow2", "--size", "64M",
                     "--cluster-size", "4K", "--preallocate", "metadata"},
                    &terminal),
            0);
  EXPECT_THAT(terminal.str(), HasSubstr("creating ["));
  EXPECT_THAT(terminal.str(), HasSubstr(" 50 %"));
  EXPECT_THAT(terminal.str(), HasSubstr("100 %"));
  EXPECT_EQ(tapring({"check", path("image")}), 0);
}

TEST_F(CliImage, CreateRefusesAnImageInUse) {
  const std::string image = create("image");
  FileOptions options;
  options.path = image;
  const OpenFile held = open_file(options);
  EXPECT_EQ(tapring({"create", image, "--format", "raw", "--size", "1M", "--force"}), 1);
  EXPECT_THAT(err(), HasSubstr("is in use by"));
  EXPECT_GT(std::filesystem::file_size(image), 0U);
}

TEST_F(CliImage, CreateTakesTheSizeOfTheBackingFile) {
  create("base");
  EXPECT_EQ(tapring({"create", path("top"), "--format", "qcow2", "--backing", "base",
                     "--backing-format", "qcow2"}),
            0);
  EXPECT_EQ(tapring({"info", "--json", path("top")}), 0);
  EXPECT_EQ(json::parse(out()).at("images").at(0).at("size_bytes"), 8 << 20);
}

TEST_F(CliImage, CreateSaysWhatCannotBeAndLeavesNothing) {
  create("base");
  const std::vector<std::pair<std::vector<std::string>, std::string>> orders{
      {{"--size", "0"}, "--size 0: must be a size of less than 8E, and not 0"},
      {{}, "image: --size is missing, as in --size 10G"},
      {{"--size", "1M", "--cluster-size", "1000"}, "--cluster-size 1000: must be a power of 2"},
      {{"--size", "1M", "--cluster-size", "256"}, "from 512 to 2M"},
      {{"--size", "-5"}, "--size -5: must be a size of less than 8E"},
      {{"--size", "8E"}, "less than 8E"},
      {{"--size", "1M", "--compat", "4"}, "--compat 4: must be 3 (or 1.1)"},
      {{"--size", "1M", "--cluster-size", "4M"}, "from 512 to 2M"},
      {{"--size", "1M", "--refcount-bits", "128"}, "refcount_order is 7"},
      {{"--size", "1M", "--extended-l2", "--cluster-size", "4K"}, "need at least 14"},
      {{"--size", "1000T", "--cluster-size", "512"}, "too large"},
      {{"--size", "1M", "--backing", "base"}, "is not stated (--backing-format FORMAT)"},
      {{"--size", "1M", "--backing", "base", "--backing-format", "QCOW2"},
       "no driver for the format QCOW2 (there are raw, aio, qcow, qcow2)"},
      {{"--size", "1M", "--backing", "none", "--backing-format", "raw"}, "none"},
      {{"--size", "1M", "--compat", "2", "--lazy-refcounts"}, "version 2 has no"},
      {{"--backing", "base", "--backing-format", "qcow2", "--preallocate", "metadata"},
       "would hide its backing file"}};
  for (const auto& [options, reason] : orders) {
    std::vector<std::string> words{"create", path("image"), "--format", "qcow2"};
    words.insert(words.end(), options.begin(), options.end());
    EXPECT_EQ(tapring(words), 1) << reason;
    EXPECT_THAT(err(), HasSubstr(reason));
    EXPECT_FALSE(std::filesystem::exists(path("image"))) << reason;
  }
}

}  // namespace
}  // namespace tapring
