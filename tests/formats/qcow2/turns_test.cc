// SPDX-License-Identifier: MIT
// One image that our driver and QEMU's tools have in turn, for many turns: each must find the disk
// that the other left, whatever the image has become by then.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include "tests/daemon/temporary_directory.h"
#include "tests/formats/drawn_image.h"
#include "tests/formats/image_verdict.h"
#include "tests/formats/qemu.h"
#include "tests/formats/random_writes.h"
#include "tests/formats/served_image.h"

namespace tapring {
namespace {

constexpr uint64_t kSector = 512;
constexpr uint64_t kBaseBytes = 1023 * kSector;
constexpr int kTurns = 16;

struct Form {
  const char* options;  ///< of qemu-img create
  uint64_t cluster;
  unsigned refcount_bits = 16;
  bool version2 = false;
  bool backed = false;

  /// A cluster is counted for the disk, for each snapshot, and once more by QEMU while it goes back
  /// to one.
  std::size_t most_snapshots() const { return refcount_bits == 1 ? 0 : refcount_bits == 2 ? 1 : 3; }

  /// Compressed clusters that share one are counted there, each once for each snapshot.
  bool compresses() const { return refcount_bits == 1 || refcount_bits >= 8; }
};

constexpr Form kForms[] = {
    {"compat=0.10,cluster_size=512", 512, 16, true},
    {"compat=0.10,cluster_size=64k", 65536, 16, true},
    {"cluster_size=512,refcount_bits=1", 512, 1},
    {"cluster_size=1k,refcount_bits=2", 1024, 2},
    {"cluster_size=2k,refcount_bits=4", 2048, 4},
    {"cluster_size=4k,refcount_bits=8,lazy_refcounts=on", 4096, 8},
    {"cluster_size=8k,refcount_bits=32,compression_type=zstd", 8192, 32},
    {"cluster_size=512,refcount_bits=64", 512, 64},
    {"cluster_size=16k,extended_l2=on", 16384},
    {"cluster_size=64k,extended_l2=on,refcount_bits=2", 65536, 2},
    {"cluster_size=64k", 65536},
    {"cluster_size=4k", 4096, 16, false, true},
    // Not compressed: if the last cluster is, QEMU 7.2 cannot make such a disk larger.
    {"cluster_size=32k,extended_l2=on,refcount_bits=4", 32768, 4, false, true},
};
constexpr unsigned kTests = std::size(kForms);  // further ones are of these forms again

struct Range {
  uint64_t offset;
  uint64_t bytes;
};

class Qcow2Turns : public testing::TestWithParam<unsigned> {
 protected:
  void TearDown() override {
    if (HasFailure()) ADD_FAILURE() << history_;
  }

  void create() {
    options_.path = directory_.path() / "image";
    content_.assign(draw_size(), '\0');
    if (form_.backed) make_base();
    run_command(std::string("qemu-img create -q -f qcow2 -o ") + form_.options +
                (form_.backed ? " -b base -F raw " : " ") + quoted_path() + ' ' +
                std::to_string(content_.size()));
  }

  /// Ends somewhere in the middle of what the disk may become.
  void make_base() {
    const std::filesystem::path base = directory_.path() / "base";
    std::string text;
    write_pattern(base, random_);
    while (text.size() < kBaseBytes) text += bytes_of_file(base);
    text.resize(kBaseBytes);
    std::ofstream(base, std::ios::binary) << text;
    content_.replace(0, std::min(text.size(), content_.size()), text, 0, content_.size());
  }

  void take_turn() {
    const uint64_t choice = random_.below(12);
    if (choice == 0 && snapshots_.size() < form_.most_snapshots()) {
      take_snapshot();
    } else if (choice == 1 && !snapshots_.empty()) {
      delete_snapshot();
    } else if (choice == 2 && !snapshots_.empty()) {
      go_back();
    } else if (choice < 5 && (!form_.version2 || snapshots_.empty())) {
      resize();
    } else if (choice < 8) {
      write_by_qemu();
    } else {
      write_by_us();
    }
  }

  void expect_in_order() {
    EXPECT_TRUE(content_by_qemu(options_.path) == content_) << "read by QEMU";
    EXPECT_TRUE(content_by_us(options_.path) == content_) << "read by us";
    for (const auto& [name, content] : snapshots_) {
      EXPECT_TRUE(content_by_us(options_.path + '@' + name) == content) << name;
    }
    EXPECT_EQ(complaints_of_qemu(options_.path), "");
    const Verdict verdict = verdict_on(options_.path, "qcow2");
    EXPECT_EQ(verdict.damage, "");
    EXPECT_EQ(verdict.leaks, 0U);
  }

 private:
  void take_snapshot() {
    const std::string name = "s" + std::to_string(named_++);
    snapshot_by_qemu("-c " + name);
    snapshots_[name] = content_;
  }

  void delete_snapshot() {
    const std::string name = any_snapshot();
    snapshot_by_qemu("-d " + name);
    snapshots_.erase(name);
  }

  void go_back() {
    const std::string name = any_snapshot();
    snapshot_by_qemu("-a " + name);
    content_ = snapshots_[name];
  }

  void snapshot_by_qemu(const std::string& what) {
    history_ += "; snapshot " + what;
    run_command("qemu-img snapshot " + what + ' ' + quoted_path());
  }

  void resize() {
    const uint64_t before = content_.size();
    const uint64_t after = draw_size();
    history_ += "; resize " + std::to_string(before) + " to " + std::to_string(after);
    run_command("qemu-img resize -q -f qcow2 --shrink " + quoted_path() + ' ' +
                std::to_string(after));
    content_.resize(after);
    // QEMU leaves what lies in the last cluster past the new end, and shows it when the disk grows.
    const uint64_t tail = std::min(rounded_up(before, form_.cluster), after);
    if (after < before && after % form_.cluster != 0) stale_tails_ = true;
    if (after <= before || !stale_tails_) return;
    const std::string there = content_by_qemu(options_.path);
    content_.replace(before, tail - before, there, before, tail - before);
  }

  void write_by_qemu() {
    std::string commands;
    for (uint64_t left = random_.between(1, 7); left > 0; --left) commands += draw_command();
    // Once at most, and last: QEMU 7.2 goes on to pack into a cluster that it has given back since.
    if (form_.compresses() && random_.chance(0.5)) commands += draw_compressed_write();
    history_ += ';' + commands;
    run_command("qemu-io -t unsafe -d unmap -f qcow2" + commands + ' ' + quoted_path());
  }

  /// For qemu-io, and does to the model what it does to the disk.
  std::string draw_command() {
    const uint64_t choice = random_.below(7);
    if (choice < 2) {
      return told(choice == 0 ? "write -q -z -u" : "write -q -z", draw_range(kSector), 0);
    }
    if (choice == 2) return told("discard -q", draw_range(form_.cluster), 0);
    const Range range = draw_range(choice < 5 ? 1 : kSector);
    const auto byte = static_cast<uint8_t>(random_.next());
    return told("write -q -P " + std::to_string(byte), range, byte);
  }

  /// QEMU compresses only into a cluster that the disk does not have.
  std::string draw_compressed_write() {
    Range range = draw_range(form_.cluster);
    range.bytes = std::min(range.bytes, form_.cluster);
    const auto byte = static_cast<uint8_t>(random_.next());
    const std::string discard = told("discard -q", range, 0);
    return discard + told("write -q -c -P " + std::to_string(byte), range, byte);
  }

  std::string told(const std::string& command, Range range, uint8_t byte) {
    content_.replace(range.offset, range.bytes, range.bytes, static_cast<char>(byte));
    return " -c '" + command + ' ' + std::to_string(range.offset) + ' ' +
           std::to_string(range.bytes) + '\'';
  }

  void write_by_us() {
    history_ += "; our writes";
    ImageOptions options = options_;
    options.map_cache_bytes = random_.chance(0.3) ? 1 : 0;
    ServedImage image(random_.next(), "qcow2", options);
    ASSERT_EQ(image.geometry().size_bytes, content_.size());
    for (uint64_t left = random_.between(1, 3); left > 0; --left) {
      write_at_random(image, random_, content_, 2);
      discard_by_us(image, draw_range(kSector));
    }
    const Result<std::string> read = image.content();
    EXPECT_TRUE(read && *read == content_) << "read by the one who wrote it";
    EXPECT_FALSE(image.close());
  }

  /// Whole clusters are gone; of those at both ends it is not said what becomes of the part.
  void discard_by_us(ServedImage& image, Range range) {
    EXPECT_FALSE(image.discard(range.offset, range.bytes));
    std::string now(range.bytes, '?');
    EXPECT_FALSE(image.read(range.offset, now));
    const uint64_t unit = image.geometry().discard_granularity;
    const uint64_t end = range.offset + range.bytes;
    for (uint64_t at = range.offset; at < end; at += kSector) {
      const bool whole = at / unit * unit >= range.offset && (at / unit + 1) * unit <= end;
      const std::string sector = now.substr(at - range.offset, kSector);
      const bool as_before = content_.compare(at, kSector, sector) == 0;
      EXPECT_TRUE(sector == std::string(kSector, '\0') || (as_before && !whole)) << "at " << at;
    }
    content_.replace(range.offset, range.bytes, now);
  }

  /// In multiples of `unit`, or up to the end of the disk.
  Range draw_range(uint64_t unit) {
    const uint64_t offset = random_.below((content_.size() + unit - 1) / unit) * unit;
    const uint64_t most = std::max(2 * form_.cluster, uint64_t{16} << 10) / unit;
    return {offset, std::min(random_.between(1, most) * unit, content_.size() - offset)};
  }

  /// So small that clusters are used again, and so large that tables must grow.
  uint64_t draw_size() {
    const uint64_t clusters =
        std::clamp(uint64_t{3} << 20, 24 * form_.cluster, 4000 * form_.cluster) / form_.cluster;
    const uint64_t some = random_.between(1, random_.chance(0.3) ? clusters : clusters / 4);
    if (random_.chance(0.5)) return some * form_.cluster;
    return some * form_.cluster - random_.below(form_.cluster / kSector) * kSector;
  }

  static uint64_t rounded_up(uint64_t value, uint64_t unit) {
    return (value + unit - 1) / unit * unit;
  }

  std::string any_snapshot() {
    return std::next(snapshots_.begin(), static_cast<int>(random_.below(snapshots_.size())))->first;
  }

  std::string content_by_us(const std::string& path) {
    ImageOptions options = options_;
    options.path = path;
    options.read_only = true;
    ServedImage image(random_.next(), "qcow2", options);
    const Result<std::string> read = image.content();
    EXPECT_FALSE(image.close());
    return read ? *read : read.error().message();
  }

  std::string quoted_path() const { return shell_quoted(options_.path); }

  const Form& form_ = kForms[GetParam() % std::size(kForms)];
  std::string history_ = form_.options;
  TemporaryDirectory directory_{memory_directory()};
  sim::Random random_{GetParam() + 7000};
  ImageOptions options_;
  std::string content_;
  std::map<std::string, std::string> snapshots_;  ///< their names and contents
  uint64_t named_ = 0;
  bool stale_tails_ = false;
};

INSTANTIATE_TEST_SUITE_P(Forms, Qcow2Turns, testing::Range(0U, kTests));

TEST_P(Qcow2Turns, EachFindsTheDiskThatTheOtherLeft) {
  create();
  for (int turn = 0; turn < kTurns && !HasFailure(); ++turn) {
    take_turn();
    expect_in_order();
  }
}

}  // namespace
}  // namespace tapring
