// SPDX-License-Identifier: MIT
// Images that are damaged on purpose, checked and repaired here and by qemu-img.
#include "formats/qcow2/offline/check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "formats/clusters/blocking_io.h"
#include "formats/clusters/table_words.h"
#include "formats/format.h"
#include "formats/image_file.h"
#include "formats/qcow2/bytes/big_endian.h"
#include "formats/qcow2/bytes/entry.h"
#include "formats/qcow2/bytes/refcount_entry.h"
#include "formats/qcow2/offline/read_tables.h"
#include "formats/qcow2/offline/reference_counts.h"
#include "tests/daemon/temporary_directory.h"
#include "tests/formats/drawn_image.h"
#include "tests/formats/qemu.h"
#include "tests/sim/write_cache.h"

namespace tapring {
namespace {

namespace fs = std::filesystem;
using qcow2::EntryBits;
using qcow2::FileWriter;

OpenFile open_image(const fs::path& path) {
  ImageOptions options;
  options.path = path;
  OpenFile file = open_file(image_file(options, path, Caching::page_cache));
  fill_last_sector(file);
  return file;
}

struct CheckVerdict {
  uint64_t corruptions = 0;
  uint64_t leaks = 0;
  bool operator==(const CheckVerdict&) const = default;
};

std::ostream& operator<<(std::ostream& out, const CheckVerdict& verdict) {
  return out << verdict.corruptions << " corruptions, " << verdict.leaks << " leaks";
}

CheckVerdict verdict_of(const ImageCheck& check) {
  return {check.findings.corruptions(), check.findings.leaks()};
}

std::string texts_of(const ImageCheck& check) {
  std::string texts;
  for (const std::string& text : check.findings.texts()) texts += text + '\n';
  return texts;
}

boost::json::object check_by_qemu(const fs::path& path) {
  const std::string text = run_command("qemu-img check -U -f qcow2 --output=json " +
                                       shell_quoted(path.string()) + " 2>/dev/null || true");
  return boost::json::parse(text).as_object();
}

uint64_t field(const boost::json::object& object, const char* name) {
  const boost::json::value* value = object.if_contains(name);
  return value == nullptr ? 0 : value->to_number<uint64_t>();
}

CheckVerdict verdict_by_qemu(const fs::path& path) {
  const boost::json::object check = check_by_qemu(path);
  return {field(check, "corruptions"), field(check, "leaks")};
}

ImageCheck check(const fs::path& path) {
  return qcow2::check_image(open_image(path), {});
}

ImageCheck repair(const fs::path& path, Repair what) {
  OpenFile file = open_image(path);
  FileWriter writer(file);
  return qcow2::repair_image(file, what, writer, {});
}

/// Changes words of an image's tables.
class Damager {
 public:
  Damager(const fs::path& path, sim::Random& random)
      : file_(open_image(path)), header_(qcow2::read_header(file_)), random_(random) {
    for (const uint64_t entry : read_table(file_, header_.l1_offset, header_.l1_entries)) {
      if ((entry & EntryBits::kOffset) != 0) l2_tables_.push_back(entry & EntryBits::kOffset);
    }
    const auto refcount_table = qcow2::read_refcount_table(file_, header_).value();
    for (const uint64_t block : refcount_table) {
      if (block != 0) blocks_.push_back(block);
    }
  }

  void damage() {
    const uint64_t kind = random_.below(5);
    if (kind == 0) change_refcount(true);
    if (kind == 1) change_refcount(false);
    if (kind == 2) change_l2_entry([](uint64_t word) { return word ^ EntryBits::kCopied; });
    if (kind == 3) change_l2_entry([](uint64_t) { return uint64_t{0}; });
    if (kind == 4) flip_l1();
  }

  /// Of some clusters, all that are in use.
  void change_refcount(bool larger) {
    const qcow2::Layout& layout = header_.layout;
    const uint64_t block = blocks_.at(random_.below(blocks_.size()));
    change(block, layout.cluster_bytes(), [&](std::span<std::byte> bytes) {
      const uint64_t entries = layout.refcount_block_entries();
      for (uint64_t left = random_.between(1, 5), i = random_.below(entries); left > 0; --left) {
        for (uint64_t passed = 0; passed < entries; ++passed, i = (i + 1) % entries) {
          if (qcow2::load_refcount(bytes, i, layout.refcount_order) != 0) break;
        }
        const uint64_t old = qcow2::load_refcount(bytes, i, layout.refcount_order);
        if (larger ? old == layout.max_refcount() : old == 0) continue;
        qcow2::store_refcount(bytes, i++, layout.refcount_order, larger ? old + 1 : old - 1);
        i %= entries;
      }
    });
  }

  void flip_l1() {
    change(header_.l1_offset, 512, [&](std::span<std::byte> bytes) {
      const uint64_t index = random_.below(std::min(header_.l1_entries, 64U));
      const auto word = qcow2::load<uint64_t>(bytes, index * 8);
      if (word != 0) qcow2::store(bytes, index * 8, word ^ EntryBits::kCopied);
    });
  }

  /// Of a cluster of data.
  void change_l2_entry(const std::function<uint64_t(uint64_t)>& changed) {
    if (l2_tables_.empty()) return;
    const uint64_t table = l2_tables_[random_.below(l2_tables_.size())];
    change(table, header_.layout.cluster_bytes(), [&](std::span<std::byte> bytes) {
      const uint64_t entries = header_.layout.l2_entries();
      const uint64_t first = random_.below(entries);
      for (uint64_t passed = 0; passed < entries; ++passed) {
        const uint64_t at = (first + passed) % entries * header_.layout.l2_entry_bytes();
        const auto word = qcow2::load<uint64_t>(bytes, at);
        if ((word & EntryBits::kCompressed) != 0 || (word & EntryBits::kOffset) == 0) continue;
        qcow2::store(bytes, at, changed(word));
        if (header_.layout.extended_l2 && changed(word) == 0) {
          qcow2::store(bytes, at + 8, uint64_t{0});
        }
        return;
      }
    });
  }

  /// An entry of the table, as if its block had never been.
  void lose_block() {
    change(header_.refcount_table_offset, 512,
           [](std::span<std::byte> bytes) { qcow2::store(bytes, 0, uint64_t{0}); });
  }

 private:
  void change(uint64_t offset, uint64_t bytes,
              const std::function<void(std::span<std::byte>)>& act) {
    AlignedBytes content = read_bytes(file_, offset, bytes);
    act(content.span());
    FileWriter(file_).write(offset, content.span());
  }

  OpenFile file_;
  qcow2::Header header_;
  sim::Random& random_;
  std::vector<uint64_t> l2_tables_;
  std::vector<uint64_t> blocks_;
};

/// Fails when it is time, as a host does whose power goes.
class CutWriter final : public FileWriter {
 public:
  struct PowerCut {};

  CutWriter(OpenFile& file, uint64_t writes)
      : FileWriter(file), fd_(file.fd.get()), writes_left_(writes) {}

  void write(uint64_t offset, std::span<const std::byte> bytes) override {
    if (writes_left_-- == 0) throw PowerCut{};
    cache_.before_write(fd_, offset, bytes.size());
    FileWriter::write(offset, bytes);
    cache_.after_write(fd_, offset, bytes.size(), ++written_);
  }
  void sync() override { cache_.synced(written_); }

  void lose_some(sim::Random& random) { cache_.lose_some(fd_, random); }

 private:
  int fd_;
  uint64_t writes_left_;
  uint64_t written_ = 0;
  sim::SimWriteCache cache_{512};
};

/// Knows whether anything was written before what was there already was made durable.
class OrderWriter final : public FileWriter {
 public:
  using FileWriter::FileWriter;

  void write(uint64_t offset, std::span<const std::byte> bytes) override {
    wrote_too_early_ |= !synced_;
    FileWriter::write(offset, bytes);
  }
  void sync() override { synced_ = true; }

  bool wrote_too_early() const noexcept { return wrote_too_early_; }

 private:
  bool synced_ = false;
  bool wrote_too_early_ = false;
};

/// Whether the power went in the middle of the repair: after so many writes, if there are more.
bool repair_is_cut(const fs::path& path, uint64_t writes, sim::Random& random) {
  OpenFile file = open_image(path);
  CutWriter writer(file, writes);
  try {
    qcow2::repair_image(file, Repair::all, writer, {});
  } catch (const CutWriter::PowerCut&) {
    writer.lose_some(random);
    return true;
  }
  return false;
}

class Qcow2Check : public testing::TestWithParam<unsigned> {
 protected:
  void make_image() {
    std::vector<Shape> shapes = draw_chain(GetParam(), random_);
    if (shapes.size() > 2) shapes.erase(shapes.begin(), shapes.end() - 2);
    image_ = make_chain(directory_.path(), shapes, random_, uint64_t{1} << 20);
  }

  fs::path copy() {
    const fs::path path = directory_.path() / "copy.qcow2";
    fs::copy_file(image_.path, path, fs::copy_options::overwrite_existing);
    return path;
  }

  fs::path damaged_copy() {
    const fs::path path = copy();
    for (uint64_t left = random_.between(1, 4); left > 0; --left) {
      Damager(path, random_).damage();
    }
    return path;
  }

  TemporaryDirectory directory_{memory_directory()};
  sim::Random random_{GetParam() + 9000};
  DrawnImage image_;
};

INSTANTIATE_TEST_SUITE_P(Shapes, Qcow2Check, testing::Range(1U, 39U, 5U));

TEST_P(Qcow2Check, AgreesWithQemu) {
  make_image();
  SCOPED_TRACE(image_.text);
  const ImageCheck checked = check(image_.path);
  EXPECT_EQ(verdict_of(checked), CheckVerdict()) << texts_of(checked);
  const boost::json::object by_qemu = check_by_qemu(image_.path);
  EXPECT_EQ(checked.allocated_clusters, field(by_qemu, "allocated-clusters"));
  EXPECT_EQ(checked.compressed_clusters, field(by_qemu, "compressed-clusters"));
  EXPECT_EQ(checked.guest_clusters, field(by_qemu, "total-clusters"));
  EXPECT_EQ(checked.end_bytes, field(by_qemu, "image-end-offset"));
  for (int round = 0; round < 4; ++round) {
    const fs::path path = damaged_copy();
    const ImageCheck damaged = check(path);
    EXPECT_EQ(verdict_of(damaged), verdict_by_qemu(path)) << texts_of(damaged);
  }
}

TEST_P(Qcow2Check, RepairsWhatQemuThenFindsWell) {
  make_image();
  SCOPED_TRACE(image_.text);
  for (int round = 0; round < 3; ++round) {
    const fs::path path = damaged_copy();
    if (round == 2) Damager(path, random_).lose_block();
    const std::string content = content_by_qemu(path);
    const ImageCheck left = repair(path, Repair::all);
    EXPECT_EQ(verdict_of(left), CheckVerdict()) << texts_of(left);
    EXPECT_EQ(complaints_of_qemu(path), "");
    EXPECT_EQ(content_by_qemu(path) == content, true) << "the repair changed the disk";
  }
}

TEST_P(Qcow2Check, FindsWellWhatQemuRepaired) {
  make_image();
  SCOPED_TRACE(image_.text);
  const fs::path path = damaged_copy();
  run_command("qemu-img check -q -f qcow2 -r all " + shell_quoted(path.string()) + " || true");
  const ImageCheck checked = check(path);
  EXPECT_EQ(verdict_of(checked), CheckVerdict()) << texts_of(checked);
}

TEST_P(Qcow2Check, LeaksAreFreedWithoutTouchingTheRest) {
  make_image();
  SCOPED_TRACE(image_.text);
  const fs::path path = copy();
  Damager(path, random_).change_l2_entry([](uint64_t) { return uint64_t{0}; });
  const CheckVerdict before = verdict_of(check(path));
  EXPECT_EQ(before.corruptions, 0U);
  EXPECT_EQ(verdict_of(repair(path, Repair::leaks)), CheckVerdict());
  EXPECT_EQ(complaints_of_qemu(path), "");
}

/// The power may bring back a reference that a killed process dropped.
TEST_P(Qcow2Check, LeaksAreFreedOnceItIsDurableThatTheyAreLeaks) {
  make_image();
  SCOPED_TRACE(image_.text);
  const fs::path path = copy();
  Damager(path, random_).change_l2_entry([](uint64_t) { return uint64_t{0}; });
  OpenFile file = open_image(path);
  OrderWriter writer(file);
  const ImageCheck left = qcow2::repair_image(file, Repair::leaks, writer, {});
  EXPECT_EQ(left.findings.leaks(), 0U);
  EXPECT_FALSE(writer.wrote_too_early());
}

TEST_P(Qcow2Check, AfterAPowerCutTheRepairIsDoneAnew) {
  make_image();
  SCOPED_TRACE(image_.text);
  uint64_t cuts = 0;
  for (int round = 0; round < 4; ++round) {
    const fs::path path = damaged_copy();
    if (round % 2 == 0) Damager(path, random_).lose_block();
    const std::string content = content_by_qemu(path);
    if (repair_is_cut(path, random_.below(5), random_)) ++cuts;
    EXPECT_EQ(content_by_qemu(path) == content, true) << "the cut changed the disk";
    const ImageCheck left = repair(path, Repair::all);
    EXPECT_EQ(verdict_of(left), CheckVerdict()) << texts_of(left);
    EXPECT_EQ(complaints_of_qemu(path), "");
  }
  EXPECT_GT(cuts, 0U);
}

class Qcow2Dirty : public testing::Test {
 protected:
  /// As QEMU leaves it when it is killed.
  fs::path make_dirty() {
    const fs::path path = directory_.path() / "dirty.qcow2";
    run_command("qemu-img create -q -f qcow2 -o lazy_refcounts=on,cluster_size=4k " +
                shell_quoted(path.string()) + " 4M");
    run_command("qemu-io -f qcow2 -c 'write -q -P 7 64k 1M' -c abort " +
                shell_quoted(path.string()) + " >/dev/null 2>&1 || true");
    return path;
  }

  TemporaryDirectory directory_{memory_directory()};
};

TEST_F(Qcow2Dirty, IsRepairedAndNotDirtyAnyMore) {
  const fs::path path = make_dirty();
  const ImageCheck before = check(path);
  EXPECT_TRUE(before.dirty);
  EXPECT_GT(before.findings.corruptions(), 0U);
  EXPECT_EQ(verdict_of(before), verdict_by_qemu(path));
  const ImageCheck after = repair(path, Repair::all);
  EXPECT_EQ(verdict_of(after), CheckVerdict()) << texts_of(after);
  EXPECT_FALSE(check(path).dirty);
  EXPECT_EQ(complaints_of_qemu(path), "");
}

TEST_F(Qcow2Dirty, StaysDirtyUntilTheRepairIsDurable) {
  sim::Random random(3);
  bool ended = false;
  for (uint64_t writes = 0; !ended; ++writes) {
    const fs::path path = make_dirty();
    ended = !repair_is_cut(path, writes, random);
    const bool dirty = check(path).dirty;
    EXPECT_EQ(dirty ? "" : complaints_of_qemu(path), "") << writes;
  }
}

TEST_F(Qcow2Dirty, LeaksAloneDoNotMakeItClean) {
  const fs::path path = make_dirty();
  const ImageCheck left = repair(path, Repair::leaks);
  EXPECT_GT(left.findings.corruptions(), 0U);
  EXPECT_TRUE(check(path).dirty);
}

ImageOptions to_write(const fs::path& path) {
  ImageOptions options;
  options.path = path;
  return options;
}

TEST_F(Qcow2Dirty, IsMendedWhenItIsOpenedForWriting) {
  const fs::path path = make_dirty();
  const std::string content = content_by_qemu(path);
  std::vector<uint64_t> steps;
  {
    ImageOptions options = to_write(path);
    options.repair_progress = [&steps](uint64_t done, uint64_t) { steps.push_back(done); };
    const auto open = find_format("qcow2")->open(options);
    EXPECT_THAT(open->notices(), testing::Contains(testing::HasSubstr("was not closed")));
  }
  EXPECT_FALSE(steps.empty());
  EXPECT_FALSE(check(path).dirty);
  EXPECT_EQ(complaints_of_qemu(path), "");
  EXPECT_EQ(content_by_qemu(path) == content, true);
}

TEST_F(Qcow2Dirty, IsLeftAsItIsByWhoDoesNotHaveIt) {
  const fs::path path = make_dirty();
  ImageOptions options = to_write(path);
  options.read_only = true;
  find_format("qcow2")->open(options);
  options = to_write(path);
  options.purpose = Purpose::probe;
  find_format("qcow2")->open(options);
  options = to_write(path);
  options.locked = false;
  EXPECT_THROW(find_format("qcow2")->open(options), std::system_error);
  EXPECT_TRUE(check(path).dirty);
}

TEST_F(Qcow2Dirty, IsRefusedWhereItCannotBeMended) {
  const fs::path path = make_dirty();
  {
    // An entry of the L1 table that leads out of the file.
    OpenFile file = open_image(path);
    const qcow2::Header header = qcow2::read_header(file);
    AlignedBytes l1 = read_bytes(file, header.l1_offset, 512);
    qcow2::store(l1.span(), 8, uint64_t{1} << 40);
    FileWriter(file).write(header.l1_offset, l1.span());
  }
  EXPECT_THROW(find_format("qcow2")->open(to_write(path)), std::system_error);
  EXPECT_TRUE(check(path).dirty);
}

TEST(ReferenceCounts, RefuseWhatTakesTooMuchMemory) {
  qcow2::ReferenceCounts counts(uint64_t{1} << 20);
  const auto spread = [&counts] {
    for (uint64_t i = 0; i < 100000; ++i) counts.add(i << 20, 1);
  };
  EXPECT_THROW(spread(), qcow2::TooMuchMemory);
}

}  // namespace
}  // namespace tapring
