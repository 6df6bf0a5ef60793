// SPDX-License-Identifier: MIT
// Images whose bookkeeping is damaged: what is said of them, what a repair does, who may read them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "formats/format.h"
#include "formats/image_file.h"
#include "formats/qcow2/bytes/big_endian.h"
#include "formats/qcow2/offline/check.h"
#include "tests/formats/hostile_image.h"
#include "tests/formats/qemu.h"
#include "tests/formats/served_image.h"
#include "tests/sim/random.h"

namespace tapring {
namespace {

using namespace std::literals;
using testing::Contains;
using testing::HasSubstr;

ImageOptions to_write(const std::filesystem::path& path) {
  ImageOptions options;
  options.path = path;
  return options;
}

ImageCheck check(const std::filesystem::path& path) {
  return qcow2::check_image(
      open_file(image_file(read_only(path), path.string(), Caching::page_cache)), {});
}

ImageCheck repair(const std::filesystem::path& path) {
  OpenFile file = open_file(image_file(to_write(path), path.string(), Caching::page_cache));
  qcow2::FileWriter writer(file);
  return qcow2::repair_image(file, Repair::all, writer, {});
}

std::string content_of(const std::filesystem::path& path) {
  ServedImage image(1, "qcow2", read_only(path));
  const Result<std::string> content = image.content();
  EXPECT_FALSE(image.close());
  return content ? *content : "unreadable";
}

class Qcow2Repair : public HostileImage {
 protected:
  std::filesystem::path create_filled(const std::string& options = "") {
    auto path = create("image", options);
    run_command("qemu-io -t unsafe -f qcow2 -c 'write -q -P 9 64k 1M' " +
                shell_quoted(path.string()));
    return path;
  }

  uint64_t word(const std::filesystem::path& path, uint64_t offset) const {
    const std::string bytes = bytes_of_file(path).substr(offset, 8);
    return qcow2::load<uint64_t>(std::as_bytes(std::span(bytes)), 0);
  }

  /// The image serves no writer, who is told of the repair, and everybody who reads.
  void expect_readable_only(const std::filesystem::path& path, const std::string& content,
                            const std::string& remedy) {
    EXPECT_THAT(refusal(to_write(path)), HasSubstr(remedy));
    EXPECT_EQ(refusal(read_only(path)), "");
    EXPECT_THAT(find_format("qcow2")->open(read_only(path))->notices(),
                Contains(HasSubstr("not be written before that is repaired")));
    EXPECT_TRUE(content_of(path) == content);
  }
};

struct Lost {
  const char* what;
  uint64_t offset;
  std::string bytes;
};

const Lost kLost[] = {
    {"refcounts_none", 56, "\0\0\0\0"s},
    {"refcounts_at_0", 48, "\0\0\0\0\0\0\0\0"s},
    {"refcounts_outside", 48, "\0\0\x10\0\0\0\0\0"s},
    {"refcounts_unaligned", 48, "\0\0\0\0\0\x01\0\x08"s},
    {"refcounts_too_large", 56, "\0\x01\0\0"s},
    {"refcount_block_outside", 0x10000, "\0\0\x01\0\0\0\0\0"s},
    {"refcount_block_unaligned", 0x10000, "\0\0\0\0\0\x02\x02\0"s},
    {"refcount_block_none", 0x10000, "\0\0\0\0\0\0\0\0"s},
    {"snapshots_at_0", 60, "\0\0\0\x01\0\0\0\0\0\0\0\0"s},
    {"snapshots_unaligned", 60, "\0\0\0\x01\0\0\0\0\0\0\x02\0"s},
    {"snapshots_outside", 60, "\0\0\0\x01\0\0\x10\0\0\0\0\0"s},
    {"snapshots_many_outside", 60, "\0\x01\0\0\0\0\0\0\x01\0\0\0"s},
    // QEMU opens none of these, though there are no snapshots.
    {"no_snapshots_unaligned", 60, "\0\0\0\0\0\0\0\0\0\0\x02\0"s},
    {"no_snapshots_anywhere", 60, "\0\0\0\0\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF"s},
    {"no_snapshots_beyond_files", 60, "\0\0\0\0\xFF\xFF\xFF\xFF\xFF\xFF\0\0"s},
};

class Qcow2Lost : public Qcow2Repair, public testing::WithParamInterface<Lost> {};

INSTANTIATE_TEST_SUITE_P(Tables, Qcow2Lost, testing::ValuesIn(kLost),
                         [](const auto& tested) { return std::string(tested.param.what); });

TEST_P(Qcow2Lost, IsFoundAndReadAndMended) {
  const auto path = create_filled();
  const std::string content = content_of(path);
  patch(path, GetParam().offset, GetParam().bytes);
  EXPECT_GT(check(path).findings.corruptions(), 0U);
  expect_readable_only(path, content, "tapring image check --repair all " + path.string());
  const ImageCheck left = repair(path);
  EXPECT_THAT(left.findings.texts(), testing::IsEmpty());
  EXPECT_EQ(complaints_of_qemu(path), "");
  EXPECT_EQ(refusal(to_write(path)), "");
  EXPECT_TRUE(content_of(path) == content);
}

TEST_F(Qcow2Repair, WhatATableMapsThatLeadsToItselfIsAllocated) {
  const auto path = create_filled();
  const uint64_t l1 = word(path, 40);
  patch(path, word(path, l1) & 0xFF'FFFF'FFFF'FE00, bytes_of_file(path).substr(l1, 8));
  const ImageCheck found = check(path);
  EXPECT_THAT(found.findings.texts(), Contains(HasSubstr("overlaps something else")));
  EXPECT_EQ(found.allocated_clusters, 17U);
  EXPECT_THAT(run_command("qemu-img check -U -f qcow2 --output=json " +
                          shell_quoted(path.string()) + " 2>/dev/null || true"),
              HasSubstr("\"allocated-clusters\": 17"));
}

TEST_F(Qcow2Repair, ABadEntryOfTheSnapshotTableIsFoundAndLeft) {
  const auto path = create_filled();
  run_command("qemu-img snapshot -c old " + shell_quoted(path.string()));
  const std::string content = content_of(path);
  const uint64_t table = word(path, 64);
  patch(path, table, "\0\0\0\0\0\x40\x02\0"s);
  EXPECT_THAT(check(path).findings.texts(), Contains(HasSubstr("has no valid L1 table")));
  expect_readable_only(path, content, "image check cannot repair that");
  const std::string before = bytes_of_file(path).substr(table, 512);
  EXPECT_GT(repair(path).findings.corruptions(), 0U);
  EXPECT_TRUE(bytes_of_file(path).substr(table, 512) == before);
}

TEST_F(Qcow2Repair, SnapshotsOfWhichTheFileHasNothingAreLetGoOf) {
  const auto path = create_filled();
  run_command("qemu-img snapshot -c old " + shell_quoted(path.string()));
  const std::string content = content_of(path);
  const uint64_t table = word(path, 64);
  patch(path, 60, "\0\0\0\x02"s);
  std::filesystem::resize_file(path, table + 80);
  EXPECT_THAT(check(path).findings.texts(), Contains(HasSubstr("snapshot 2 of its table is cut")));
  EXPECT_EQ(repair(path).findings.corruptions(), 0U);
  EXPECT_EQ(check(path).findings.corruptions(), 0U);
  EXPECT_EQ(damage_by_qemu(path), "");
  EXPECT_EQ(refusal(read_only(path.string() + "@old")), "");
  EXPECT_TRUE(content_of(path) == content);
}

TEST_F(Qcow2Repair, ASnapshotOfVersion3WithoutItsSizeIsFoundAsByQemu) {
  const auto path = create_filled();
  run_command("qemu-img snapshot -c old " + shell_quoted(path.string()));
  patch(path, word(path, 64) + 36, "\0\0\0\x08"s);
  EXPECT_THAT(check(path).findings.texts(),
              testing::ElementsAre(HasSubstr("does not say the size of its disk")));
  EXPECT_THAT(damage_by_qemu(path), HasSubstr("snapshot table entry 0 is incomplete"));
}

/// The new refcounts would be what the entries lead to that have lost their clusters.
TEST_F(Qcow2Repair, AnImageThatWasCutOffIsMended) {
  for (const std::string version : {"1.1", "0.10"}) {
    const auto path = create_filled("-o cluster_size=512,compat=" + version);
    std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2 / 512 * 512);
    const uint64_t refcounts = word(path, 48);
    patch(path, refcounts + 8, std::string(8, '\0'));
    const ImageCheck found = check(path);
    EXPECT_GT(found.findings.corruptions(), 0U);
    const ImageCheck left = repair(path);
    EXPECT_EQ(left.findings.corruptions(), 0U) << left.findings.texts().front();
    EXPECT_EQ(damage_by_qemu(path), "");
    const std::string content = content_of(path);
    EXPECT_TRUE(content.find_first_not_of("\t\0"s) == std::string::npos) << "not the guest's";
    std::filesystem::remove(path);
  }
}

TEST_F(Qcow2Repair, SubclustersThatALostClusterDidNotHaveReadAsBefore) {
  constexpr std::size_t kBigCluster = 65536;
  const auto base = create_filled();
  const auto path = directory_.path() / "overlay";
  run_command("qemu-img create -q -f qcow2 -o extended_l2=on -F qcow2 -b " +
              shell_quoted(base.string()) + ' ' + shell_quoted(path.string()));
  run_command("qemu-io -t unsafe -f qcow2 -c 'write -q -P 7 64k 2k' " +
              shell_quoted(path.string()));
  std::string content = content_of(path);
  std::filesystem::resize_file(path, 5 * kBigCluster);  // the tables, and no cluster of the disk
  EXPECT_EQ(repair(path).findings.corruptions(), 0U);
  content.replace(kBigCluster, 2048, 2048, '\0');
  EXPECT_TRUE(content_of(path) == content);
  EXPECT_EQ(complaints_of_qemu(path), "");
}

/// Else they would be leaks as soon as the file grows, and the image would look cut off for ever.
TEST_F(Qcow2Repair, RefcountsBehindTheEndOfTheFileAreLeaks) {
  const auto path = create_filled();
  const uint64_t block = word(path, word(path, 48));
  const uint64_t behind = std::filesystem::file_size(path) / 65536 + 3;
  patch(path, block + 2 * behind, "\0\x01"s);
  EXPECT_EQ(check(path).findings.leaks(), 1U);
  EXPECT_EQ(repair(path).findings.leaks(), 0U);
  EXPECT_EQ(bytes_of_file(path).substr(block + 2 * behind, 2), "\0\0"s);
}

TEST_F(Qcow2Repair, AnL1TableThatIsInAnL2TableIsLeft) {
  constexpr uint64_t kL1 = 0x30000;
  for (const std::string& entry : {"\0\0\0\0\0\x03\0\0"s, "\x80\0\0\0\0\x03\0\0"s}) {
    const auto path = create("image", "");
    patch(path, kL1, entry);
    const std::string before = bytes_of_file(path).substr(kL1);
    const uint64_t found = check(path).findings.corruptions();
    const uint64_t left = repair(path).findings.corruptions();
    EXPECT_GT(left, 0U);
    EXPECT_LE(left, found);
    EXPECT_TRUE(bytes_of_file(path).substr(kL1, before.size()) == before);
  }
}

/// Neither flag would be right for a cluster whose refcount says 1 and cannot say 2.
TEST_F(Qcow2Repair, MoreReferencesThanARefcountCanSayAreLeftAndTold) {
  const auto path = create_filled("-o refcount_bits=1");
  const uint64_t l2 = word(path, word(path, 40)) & 0x00FF'FFFF'FFFF'FE00;
  const std::string tables = bytes_of_file(path).substr(l2, 64);
  patch(path, l2 + 16, tables.substr(8, 8));
  const auto too_many = HasSubstr("2 references, more than refcounts of 1 bits can say (qemu-img");
  EXPECT_THAT(check(path).findings.texts(), Contains(too_many));
  EXPECT_EQ(check(path).findings.corruptions(), 1U);
  EXPECT_THAT(repair(path).findings.texts(), testing::ElementsAre(too_many));
  EXPECT_EQ(bytes_of_file(path).substr(l2 + 8, 16), tables.substr(8, 8) + tables.substr(8, 8));
  run_command("qemu-img amend -f qcow2 -o refcount_bits=16 " + shell_quoted(path.string()));
  EXPECT_THAT(repair(path).findings.texts(), testing::IsEmpty());
  EXPECT_EQ(damage_by_qemu(path), "");
}

/// Where the words lie that look like entries of tables with the flag COPIED.
std::vector<uint64_t> entries_in(const std::string& bytes) {
  std::vector<uint64_t> entries;
  for (uint64_t at = 0; at + 8 <= bytes.size(); at += 8) {
    if (std::string_view(bytes).substr(at, 4) == "\x80\0\0\0"sv) entries.push_back(at);
  }
  return entries;
}

class Qcow2Entangled : public Qcow2Repair, public testing::WithParamInterface<uint64_t> {
 protected:
  /// Has some entries lead where others do, or to tables.
  void entangle(const std::filesystem::path& path, sim::Random& random) {
    const std::string bytes = bytes_of_file(path);
    const std::vector<uint64_t> entries = entries_in(bytes);
    const auto any_entry = [&] { return entries.at(random.below(entries.size())); };
    for (uint64_t changes = random.between(1, 6); changes > 0; --changes) {
      std::string word = bytes.substr(any_entry(), 8);
      const auto near_the_header = static_cast<char>(2 * random.below(64));
      if (random.chance(0.3)) word.replace(5, 2, std::string(1, '\0') + near_the_header);
      if (random.chance(0.3)) word[0] = '\0';
      patch(path, any_entry(), word);
    }
  }
};

INSTANTIATE_TEST_SUITE_P(Seeds, Qcow2Entangled, testing::Range(uint64_t{0}, uint64_t{8}));

TEST_P(Qcow2Entangled, ARepairLeavesNoMoreCorruptionsThanItFinds) {
  sim::Random random(GetParam() + 700);
  const std::string bits = std::to_string(1U << GetParam() % 4);
  const auto original = create("original", "-o cluster_size=512,refcount_bits=" + bits);
  run_command("qemu-io -t unsafe -f qcow2 -c 'write -q -P 9 0 30k' -c 'write -q -P 7 1M 50k' " +
              shell_quoted(original.string()));
  const auto path = directory_.path() / "image";
  for (int round = 0; round < 20; ++round) {
    std::filesystem::copy_file(original, path, std::filesystem::copy_options::overwrite_existing);
    entangle(path, random);
    const ImageCheck found = check(path);
    const ImageCheck left = repair(path);
    EXPECT_LE(left.findings.corruptions(), found.findings.corruptions())
        << testing::PrintToString(found.findings.texts()) << " and then "
        << testing::PrintToString(left.findings.texts());
    const ImageCheck again = repair(path);
    EXPECT_LE(again.findings.corruptions(), left.findings.corruptions());
  }
}

}  // namespace
}  // namespace tapring
