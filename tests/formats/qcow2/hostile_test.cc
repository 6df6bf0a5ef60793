// SPDX-License-Identifier: MIT
// Images that are damaged, or made to harm whoever opens them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <system_error>

#include "formats/image_file.h"
#include "formats/qcow2/offline/check.h"
#include "formats/qcow2/offline/description.h"
#include "tests/daemon/temporary_directory.h"
#include "tests/formats/hostile_image.h"
#include "tests/formats/qemu.h"
#include "tests/formats/served_image.h"

namespace tapring {
namespace {

using namespace std::string_literals;
using testing::HasSubstr;

/// Why it cannot be described, checked and repaired; empty if it can, whatever is found.
std::string refusal_of_tools(const std::filesystem::path& path) {
  ImageOptions options;
  options.path = path;
  CheckOptions limits;
  limits.max_bytes = uint64_t{64} << 20;
  try {
    OpenFile file = open_file(image_file(options, path, Caching::page_cache));
    qcow2::describe(file);
    const ImageCheck found = qcow2::check_image(file, limits);
    qcow2::FileWriter writer(file);
    const ImageCheck leaky = qcow2::repair_image(file, Repair::leaks, writer, limits);
    EXPECT_LE(leaky.findings.corruptions(), found.findings.corruptions());
    const ImageCheck left = qcow2::repair_image(file, Repair::all, writer, limits);
    EXPECT_LE(left.findings.corruptions(), leaky.findings.corruptions());
    const ImageCheck again = qcow2::check_image(file, limits);
    EXPECT_EQ(left.findings.corruptions(), again.findings.corruptions());
    EXPECT_EQ(left.findings.leaks(), again.findings.leaks());
  } catch (const std::system_error& error) {
    return error.what();
  }
  return {};
}

using Qcow2Hostile = HostileImage;

struct Damage {
  const char* what;
  uint64_t offset;
  std::string bytes;
  const char* reason;
  bool readable = false;  ///< by mode r
};

const Damage kDamages[] = {
    {"magic", 0, "QFJ\xFB", "is no qcow2 image"},
    {"version", 4, "\0\0\0\x04"s, "version is 4"},
    {"cluster_bits_small", 20, "\0\0\0\x08"s, "cluster_bits is 8"},
    {"cluster_bits_large", 20, "\0\0\0\x16"s, "cluster_bits is 22"},
    {"cluster_bits_huge", 20, "\xFF\xFF\xFF\xFF", "cluster_bits is 4294967295"},
    {"size_zero", 24, "\0\0\0\0\0\0\0\0"s, "is empty"},
    {"size_huge", 24, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", "size is"},
    {"size_beyond_l1", 24, "\0\x01\0\0\0\0\0\0"s, "l1_size is 1"},
    {"aes", 32, "\0\0\0\x01"s, "(AES)"},
    {"luks", 32, "\0\0\0\x02"s, "(LUKS)"},
    {"l1_size", 36, "\x40\0\0\0"s, "l1_size is"},
    {"l1_size_outside", 36, "\0\x10\0\0"s, "outside the file"},
    {"l1_offset_unaligned", 40, "\0\0\0\0\0\x03\0\x01"s, "l1_table_offset is 0x30001"},
    {"l1_offset_outside", 40, "\0\0\x10\0\0\0\0\0"s, "outside the file"},
    {"l1_offset_overflow", 40, "\x7F\xFF\xFF\xFF\xFF\xFF\0\0"s, "outside the file"},
    {"no_l1_beyond_files", 24, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xFF\xFF\xFF\xFF\xFF\xFF\0\0"s,
     "l1_table_offset is"},
    {"l1_is_header", 40, "\0\0\0\0\0\0\0\0"s, "l1_table_offset is 0x0"},
    {"l1_is_refcount_table", 40, "\0\0\0\0\0\x01\0\0"s, "overlaps", true},
    {"refcount_table_outside", 48, "\0\0\x10\0\0\0\0\0"s, "outside the file", true},
    {"refcount_table_unaligned", 48, "\0\0\0\0\0\x01\0\x08"s, "refcount_table_offset is", true},
    {"refcount_table_large", 56, "\0\x01\0\0"s, "refcount_table_clusters is", true},
    {"snapshots", 60, "\0\x10\0\0"s, "nb_snapshots is", true},
    {"snapshots_outside", 60, "\0\0\0\x01\0\0\x10\0\0\0\0\0"s, "outside the file", true},
    {"snapshot_is_header", 60, "\0\0\0\x01\0\0\0\0\0\0\0\0"s, "snapshots_offset is 0x0", true},
    {"incompatible", 72, "\x80\0\0\0\0\0\0\x20"s, "bit 5, bit 63"},
    {"external_without_name", 72, "\0\0\0\0\0\0\0\x04"s, "does not name its data file"},
    {"compression_unstated", 104, "\x01", "compression_type is 1"},
    {"autoclear_bitmaps", 88, "\0\0\0\0\0\0\0\x01"s, "there is no bitmaps extension"},
    {"refcount_order", 96, "\0\0\0\x07"s, "refcount_order is 7"},
    {"header_length_short", 100, "\0\0\0\x08"s, "header_length is 8"},
    {"header_length_odd", 100, "\0\0\0\x6B"s, "header_length is 107"},
    {"header_length_long", 100, "\x7F\0\0\0"s, "header_length is"},
    {"extension_length", 116, "\xFF\xFF\xFF\xFF", "the length of header extension 0x6803f857"},
    {"backing_outside", 8, "\0\0\0\0\xFF\0\0\0\0\0\0\x04"s, "backing_file_offset is"},
    {"backing_long", 8, "\0\0\0\0\0\0\x10\0\0\0\x04\0"s, "backing_file_size is 1024"},
    {"backing_without_format", 8, "\0\0\0\0\0\0\x04\0\0\0\0\x04"s, "is not stated"},
    {"l1_entry_reserved", 0x30000, "\0\0\0\0\0\0\0\x01"s, "an L1 entry is invalid"},
    {"l1_entry_unaligned", 0x30000, "\x80\0\0\0\0\0\x02\0"s, "an L1 entry is invalid"},
    {"l1_entry_outside", 0x30000, "\x80\0\0\x01\0\0\0\0"s, "outside the file"},
    {"l1_entry_is_l1", 0x30000, "\x80\0\0\0\0\x03\0\0"s, "overlaps"},
    {"l1_entry_is_refcounts", 0x30000, "\x80\0\0\0\0\x02\0\0"s, "overlaps", true},
    {"refcount_table_entry", 0x10000, "\0\0\0\0\0\x02\x02\0"s, "a refcount table entry is invalid",
     true},
    {"refcount_block_is_header", 0x10000, "\0\0\0\0\0\x03\0\0"s, "overlaps", true},
};

class Qcow2Damaged : public Qcow2Hostile, public testing::WithParamInterface<Damage> {};

INSTANTIATE_TEST_SUITE_P(Fields, Qcow2Damaged, testing::ValuesIn(kDamages),
                         [](const auto& tested) { return std::string(tested.param.what); });

TEST_P(Qcow2Damaged, IsRefusedWithTheReason) {
  const std::filesystem::path path = create("image", "");
  ASSERT_EQ(refusal(read_only(path)), "");
  patch(path, GetParam().offset, GetParam().bytes);
  ImageOptions options = read_only(path);
  if (GetParam().readable) {
    EXPECT_EQ(refusal(options), "");
    options.read_only = false;
  }
  EXPECT_THAT(refusal(options), HasSubstr(GetParam().reason));
  EXPECT_THAT(refusal(options), HasSubstr(path.string()));
}

TEST_P(Qcow2Damaged, IsCheckedOrRefusedLikewise) {
  const std::filesystem::path path = create("image", "");
  EXPECT_EQ(refusal_of_tools(path), "");
  patch(path, GetParam().offset, GetParam().bytes);
  const std::string refused = refusal_of_tools(path);
  EXPECT_TRUE(refused.empty() || refused.contains(path.string())) << refused;
}

TEST_F(Qcow2Hostile, AnImageCutOffAnywhereIsRefusedOrRead) {
  const std::filesystem::path path = create("image", "-o cluster_size=512");
  for (const unsigned bytes : {0U, 1U, 71U, 72U, 103U, 104U, 511U, 512U, 1024U, 1025U}) {
    std::filesystem::resize_file(path, bytes);
    EXPECT_NE(refusal(read_only(path)), "") << bytes;
  }
}

TEST_F(Qcow2Hostile, AChainWithoutStatedFormatsIsRefusedWithTheCommandThatMendsIt) {
  const auto base = create("base", "");
  const auto overlay = create("overlay", "-b base -F qcow2");
  // The backing format's extension is the first; an unknown type in its place is ignored.
  patch(overlay, 112, "\x11\x11\x11\x11");
  EXPECT_THAT(refusal(read_only(overlay)),
              HasSubstr("qemu-img rebase -u -b FILE -F FORMAT " + overlay.string()));
}

TEST_F(Qcow2Hostile, ZeroBytesAtTheEndOfANameAreNoPartOfIt) {
  create("base", "");
  const auto overlay = create("overlay", "-b base -F qcow2");
  const uint64_t at = bytes_of_file(overlay).find("base");
  ASSERT_NE(at, std::string::npos);
  patch(overlay, at + 4, "\0\0"s);
  patch(overlay, 16, "\0\0\0\x06"s);
  patch(overlay, 116, "\0\0\0\x07"s);
  EXPECT_EQ(refusal(read_only(overlay)), "");
}

TEST_F(Qcow2Hostile, AChainThatLeadsBackIsRefused) {
  const auto first = create("first", "");
  const auto second = create("second", "-b first -F qcow2");
  run_command("qemu-img rebase -u -b second -F qcow2 " + shell_quoted(first.string()));
  EXPECT_THAT(refusal(read_only(second)), HasSubstr("lead back to " + second.string()));
}

TEST_F(Qcow2Hostile, AnImageThatNamesItselfIsRefused) {
  const auto image = create("image", "");
  std::filesystem::create_symlink("image", directory_.path() / "link");
  run_command("qemu-img rebase -u -b link -F qcow2 " + shell_quoted(image.string()));
  EXPECT_THAT(refusal(read_only(image)), HasSubstr("lead back to"));
}

TEST_F(Qcow2Hostile, ABackingFileOutsideTheAllowedDirectoriesIsRefused) {
  const TemporaryDirectory outside(memory_directory());
  std::filesystem::create_symlink(outside.path(), directory_.path() / "way_out");
  run_command("truncate -s 1M " + shell_quoted((outside.path() / "secret").string()));
  const auto image = create("image", "-b way_out/secret -F raw");
  ImageOptions options = read_only(image);
  EXPECT_EQ(refusal(options), "");
  options.files.directories = {directory_.path()};
  EXPECT_THAT(refusal(options), HasSubstr("is not in a directory where images may live"));
}

TEST_F(Qcow2Hostile, ASnapshotOfALinkThatLeadsOutIsRefused) {
  const TemporaryDirectory outside(memory_directory());
  const auto image = create("image", "");
  std::filesystem::rename(image, outside.path() / "image");
  std::filesystem::create_symlink(outside.path() / "image", directory_.path() / "link");
  ImageOptions options = read_only(directory_.path() / "link@1");
  options.files.directories = {directory_.path()};
  EXPECT_THAT(refusal(options), HasSubstr("is not in a directory where images may live"));
}

TEST_F(Qcow2Hostile, ABackingFileThatIsNoFileIsRefused) {
  const auto image = create("image", "");
  for (const char* name : {"nbd://localhost/x", "json:{\\\"driver\\\":\\\"null-co\\\"}"}) {
    run_command("qemu-img rebase -u -b \"" + std::string(name) + "\" -F raw " +
                shell_quoted(image.string()));
    EXPECT_THAT(refusal(read_only(image)), HasSubstr("which is no file")) << name;
  }
}

TEST_F(Qcow2Hostile, WhatIsWrongWithAFileThatItNamesIsSaidOfTheImage) {
  const auto base = create("base", "");
  const auto middle = create("middle", "-b base -F qcow2");
  const auto overlay = create("overlay", "-b middle -F qcow2");
  std::filesystem::remove(base);
  EXPECT_EQ(refusal(read_only(overlay)),
            overlay.string() + ": its backing file: open " + base.string() +
                " for reading (create it or correct the path): No such file or directory");
  const std::filesystem::path data = directory_.path() / "data";
  const auto image = create("image", "-o data_file=" + data.string());
  std::filesystem::remove(data);
  const std::string reason = refusal(read_only(image));
  EXPECT_THAT(reason, HasSubstr(image.string() + ": its data file: "));
  EXPECT_THAT(reason, HasSubstr(": No such file or directory"));
}

TEST_F(Qcow2Hostile, ANameThatNoFileCanHaveIsSaidOfTheImage) {
  const auto image = create("image", "");
  run_command("qemu-img rebase -u -b " + std::string(300, 'a') + " -F raw " +
              shell_quoted(image.string()));
  for (const bool anywhere : {true, false}) {
    ImageOptions options = read_only(image);
    if (!anywhere) options.files.directories = {directory_.path()};
    EXPECT_THAT(refusal(options), testing::StartsWith(image.string() + ": "));
    EXPECT_THAT(refusal(options), HasSubstr("File name too long"));
  }
}

/// An empty name would be that of the directory.
TEST_F(Qcow2Hostile, AnEmptyNameOfADataFileIsNone) {
  const auto data = directory_.path() / "data";
  const auto image = create("image", "-o data_file=" + data.string());
  const std::string bytes = bytes_of_file(image);
  const std::size_t extension = bytes.find("DATA");
  ASSERT_NE(extension, std::string::npos);
  patch(image, extension + 7, std::string(1, '\0'));
  // What is left of the name ends the extensions.
  patch(image, extension + 8, std::string(8, '\0'));
  EXPECT_THAT(refusal(read_only(image)), HasSubstr(image.string() + ": does not name its data"));
}

TEST_F(Qcow2Hostile, AFormatWithoutDriverIsRefused) {
  const auto image = create("image", "");
  run_command("qemu-img create -q -f vmdk " + shell_quoted((directory_.path() / "base").string()) +
              " 1M");
  run_command("qemu-img rebase -u -b base -F vmdk " + shell_quoted(image.string()));
  EXPECT_THAT(refusal(read_only(image)), HasSubstr("no driver for the format vmdk"));
}

TEST_F(Qcow2Hostile, ASnapshotsNameMayHoldTheSignThatIsBeforeIt) {
  const auto image = create("im@ge", "");
  for (const char* name : {"daily@noon", "@", "a@b@c"}) {
    run_command("qemu-img snapshot -c " + shell_quoted(name) + ' ' + shell_quoted(image.string()));
    EXPECT_EQ(refusal(read_only(image.string() + '@' + name)), "");
  }
  EXPECT_THAT(refusal(read_only(image.string() + "@no@ne")), HasSubstr("has no snapshot no@ne"));
}

TEST_F(Qcow2Hostile, AnUnknownSnapshotIsRefused) {
  const auto image = create("image", "");
  EXPECT_THAT(refusal(read_only(image.string() + "@none")), HasSubstr("has no snapshot none"));
}

/// Bytes of the image are changed at random; whatever it says then is read or refused.
class Qcow2Mutated : public Qcow2Hostile, public testing::WithParamInterface<uint64_t> {
 protected:
  /// A copy of which some bytes are others, now and then of the header.
  void mutate(const std::filesystem::path& original, const std::filesystem::path& path,
              sim::Random& random) {
    std::filesystem::copy_file(original, path, std::filesystem::copy_options::overwrite_existing);
    for (uint64_t changes = random.between(1, 60); changes > 0; --changes) {
      const uint64_t at = random.below(std::filesystem::file_size(path));
      patch(path, random.chance(0.02) ? at % 128 : at,
            std::string(1, static_cast<char>(random.next())));
    }
  }
};

INSTANTIATE_TEST_SUITE_P(Seeds, Qcow2Mutated, testing::Range(uint64_t{0}, uint64_t{8}));

TEST_P(Qcow2Mutated, IsReadOrRefused) {
  sim::Random random(GetParam());
  const bool extended = GetParam() % 2 == 1;
  const auto original =
      create("original", extended ? "-o cluster_size=16k,extended_l2=on" : "-o cluster_size=512");
  run_command(
      "qemu-io -t unsafe -f qcow2 -c 'write -q -c -P 7 0 16k' -c 'write -q -P 9 64k 3M' -c "
      "'write -q -z 200k 9k' " +
      shell_quoted(original.string()) + " || true");
  const auto path = directory_.path() / "image";
  for (int round = 0; round < 30; ++round) {
    std::filesystem::copy_file(original, path, std::filesystem::copy_options::overwrite_existing);
    for (uint64_t changes = random.between(1, 40); changes > 0; --changes) {
      const uint64_t most = random.chance(0.5) ? 128 : std::filesystem::file_size(path);
      patch(path, random.below(most), std::string(1, static_cast<char>(random.next())));
    }
    if (!refusal(read_only(path)).empty()) continue;
    ServedImage image(random.next(), "qcow2", read_only(path));
    if (image.geometry().size_bytes <= uint64_t{16} << 20) {
      const Result<std::string> content = image.content();
      EXPECT_TRUE(content || content.error()) << "an Error is a reason";
    }
    EXPECT_FALSE(image.close());
  }
}

TEST_P(Qcow2Mutated, IsCheckedOrRefused) {
  sim::Random random(GetParam() + 200);
  const bool extended = GetParam() % 2 == 1;
  const auto original = create("original", extended ? "-o cluster_size=16k,extended_l2=on"
                                                    : "-o cluster_size=512,refcount_bits=2");
  run_command("qemu-io -t unsafe -f qcow2 -c 'write -q -c -P 7 0 512' -c 'write -q -P 9 64k 1M' " +
              shell_quoted(original.string()) + " || true");
  run_command("qemu-img snapshot -c old " + shell_quoted(original.string()));
  const auto path = directory_.path() / "image";
  int checked = 0;
  for (int round = 0; round < 10; ++round) {
    mutate(original, path, random);
    checked += refusal_of_tools(path).empty() ? 1 : 0;
  }
  EXPECT_GT(checked, 0);
}

/// As above, but the image is written; whatever that does to it, nothing breaks but the image.
TEST_P(Qcow2Mutated, IsWrittenOrRefused) {
  sim::Random random(GetParam() + 100);
  const bool extended = GetParam() % 2 == 1;
  const auto original = create("original", extended ? "-o cluster_size=16k,extended_l2=on"
                                                    : "-o cluster_size=512,refcount_bits=64");
  run_command("qemu-io -t unsafe -f qcow2 -c 'write -q -c -P 7 0 512' -c 'write -q -P 9 64k 1M' " +
              shell_quoted(original.string()) + " || true");
  run_command("qemu-img snapshot -c old " + shell_quoted(original.string()));
  const auto path = directory_.path() / "image";
  int written = 0;
  for (int round = 0; round < 40; ++round) {
    mutate(original, path, random);
    ImageOptions options;
    options.path = path;
    if (!refusal(options).empty()) continue;
    ServedImage image(random.next(), "qcow2", options);
    for (int i = 0; i < 20; ++i) {
      const uint64_t sectors = std::min<uint64_t>(image.geometry().size_bytes / 512, 8192);
      const uint64_t sector = random.below(sectors);
      const uint64_t bytes = random.between(1, std::min<uint64_t>(sectors - sector, 300)) * 512;
      const uint64_t choice = random.below(6);
      Error error;
      if (choice == 0) error = image.discard(sector * 512, bytes);
      if (choice == 1) error = image.flush();
      if (choice > 1) error = image.write(sector * 512, std::string(bytes, 'w'));
      written += error ? 0 : 1;
    }
    image.close();
  }
  EXPECT_GT(written, 0);
}

}  // namespace
}  // namespace tapring
