// SPDX-License-Identifier: MIT
// An image in use whose storage is slow, or fails.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <set>
#include <span>
#include <string>
#include <system_error>

#include "formats/qcow2/bytes/big_endian.h"
#include "tests/daemon/temporary_directory.h"
#include "tests/formats/qemu.h"
#include "tests/formats/served_image.h"

namespace tapring {
namespace {

using sim::FileOperation;

uint64_t resident_bytes() {
  uint64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages >> pages;
  return pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

Detached begin_write(Image& image, uint64_t offset, uint64_t& done) {
  alignas(4096) std::array<char, 4096> memory{};
  const iovec whole{memory.data(), memory.size()};
  const Error error = co_await image.write(offset, {&whole, 1});
  EXPECT_FALSE(error);
  ++done;
}

Detached begin_read(Image& image, std::string& into, bool& done) {
  const iovec whole{into.data(), into.size()};
  const Error error = co_await image.read(0, {&whole, 1});
  EXPECT_FALSE(error);
  done = true;
}

class Qcow2Fault : public testing::Test {
 protected:
  void create(const std::string& options, const std::string& size = "") {
    options_.path = directory_.path() / "image";
    run_command("qemu-img create -q -f qcow2 " + options + ' ' + shell_quoted(options_.path) + ' ' +
                size);
  }

  sim::FileBehaviour& behaviour(ServedImage& image) {
    return image.storage().behaviour(options_.path);
  }

  /// Where the refcount blocks are that the first sector of the refcount table names.
  std::set<uint64_t> refcount_blocks() const {
    const std::string bytes = bytes_of_file(options_.path);
    const auto word = [&bytes](uint64_t at) {
      return qcow2::load<uint64_t>(std::as_bytes(std::span(bytes)), at);
    };
    std::set<uint64_t> blocks;
    for (uint64_t at = word(48); at < word(48) + 512; at += 8) {
      if (word(at) != 0) blocks.insert(word(at));
    }
    return blocks;
  }

  /// Where the image's L2 tables are in its file.
  std::set<uint64_t> l2_tables() const {
    const std::string bytes = bytes_of_file(options_.path);
    const auto word = [&bytes](uint64_t at) {
      return qcow2::load<uint64_t>(std::as_bytes(std::span(bytes)), at);
    };
    std::set<uint64_t> tables;
    for (uint32_t i = 0; i < qcow2::load<uint32_t>(std::as_bytes(std::span(bytes)), 36); ++i) {
      tables.insert(word(word(40) + i * 8) & 0x00FF'FFFF'FFFF'FE00);
    }
    return tables;
  }

  TemporaryDirectory directory_{memory_directory()};
  ImageOptions options_;
};

/// Whoever asked for it: the next would say that all is well, as the kernel tells it once.
TEST_F(Qcow2Fault, AfterASyncThatFailedNoFlushSucceeds) {
  for (int failing = 0; failing < 24; ++failing) {
    create("-o cluster_size=512,refcount_bits=64", "2M");
    ServedImage image(1, "qcow2", options_);
    int syncs = 0;
    behaviour(image).fault = [&](const FileOperation& operation) {
      const bool is_it = operation.kind == FileOperation::Kind::sync && syncs++ == failing;
      return is_it ? std::make_error_code(std::errc::no_space_on_device) : Error();
    };
    for (uint64_t at = 0; at < (uint64_t{1} << 20); at += uint64_t{128} << 10) {
      const Error written = image.write(at, std::string(std::size_t{64} << 10, 'w'));
      const Error flushed = image.flush();
      if (syncs <= failing) {
        EXPECT_FALSE(written);
        EXPECT_FALSE(flushed);
      } else {
        EXPECT_EQ(flushed, std::errc::state_not_recoverable) << failing << " " << at;
        EXPECT_TRUE(!written || written == std::errc::state_not_recoverable) << failing;
      }
    }
    EXPECT_GT(syncs, failing);
    EXPECT_EQ(image.close(), std::errc::state_not_recoverable);
  }
}

/// An entry in the file would refer to clusters that count as free, until the next commit: for good
/// if the process dies before that.
TEST_F(Qcow2Fault, NoEntryIsWrittenWithoutTheRefcountsOfWhatItRefersTo) {
  create("-o cluster_size=512", "2M");
  const std::set<uint64_t> blocks = refcount_blocks();
  ServedImage image(1, "qcow2", options_);
  bool fails = true;
  uint64_t writes_since = 0;
  behaviour(image).fault = [&](const FileOperation& operation) {
    if (!fails || operation.kind != FileOperation::Kind::write) return Error();
    if (blocks.contains(operation.offset)) {
      writes_since = 0;
      return std::make_error_code(std::errc::io_error);
    }
    ++writes_since;
    return Error();
  };
  EXPECT_EQ(image.write(0, std::string(512, 'a')), std::errc::io_error);
  EXPECT_EQ(writes_since, 0U);
  EXPECT_FALSE(image.flush());
  EXPECT_EQ(writes_since, 0U);
  image.die();
  image.close();
  EXPECT_EQ(damage_by_qemu(options_.path), "");
  fails = false;
  image.open_again(options_);
  EXPECT_FALSE(image.write(0, std::string(512, 'b')));
  EXPECT_FALSE(image.close());
  EXPECT_EQ(damage_by_qemu(options_.path), "");
}

/// The map in memory does not grow with what cannot be written.
TEST_F(Qcow2Fault, WhileTheMapCannotBeWrittenItChangesNoMoreThanItMay) {
  create("-o cluster_size=512", "16M");
  constexpr uint64_t kOfATable = uint64_t{32} << 10;
  constexpr uint64_t kTables = 512;
  constexpr uint64_t kData = 4096;
  {
    ServedImage image(1, "qcow2", options_);
    for (uint64_t i = 0; i < kTables; ++i) {
      ASSERT_FALSE(image.write(i * kOfATable, std::string(kData, 'a')));
    }
    ASSERT_FALSE(image.close());
  }
  const std::set<uint64_t> tables = l2_tables();
  ASSERT_EQ(tables.size(), kTables);
  ServedImage image(1, "qcow2", options_);
  bool fails = true;
  uint64_t data_writes = 0;
  behaviour(image).fault = [&](const FileOperation& operation) {
    if (operation.kind != FileOperation::Kind::write) return Error();
    if (operation.bytes == kData) ++data_writes;
    const bool is_it = fails && tables.contains(operation.offset);
    return is_it ? std::make_error_code(std::errc::io_error) : Error();
  };
  for (uint64_t i = 0; i < kTables; ++i) {
    EXPECT_EQ(image.write(i * kOfATable + kData, std::string(kData, 'b')), std::errc::io_error);
  }
  EXPECT_LT(data_writes, kTables / 2);
  fails = false;
  for (uint64_t i = 0; i < kTables; ++i) {
    EXPECT_FALSE(image.write(i * kOfATable + kData, std::string(kData, 'c')));
  }
  EXPECT_FALSE(image.close());
  EXPECT_EQ(complaints_of_qemu(options_.path), "");
  const std::string content = content_by_qemu(options_.path);
  for (uint64_t i = 0; i < kTables; ++i) {
    EXPECT_EQ(content.substr(i * kOfATable, 2 * kData),
              std::string(kData, 'a') + std::string(kData, 'c'));
  }
}

/// Each copies a cluster of 2 MiB, and not all of them at once.
TEST_F(Qcow2Fault, WritesThatWaitForABackingFileTakeNoMemoryForIt) {
  constexpr uint64_t kClusterBytes = uint64_t{2} << 20;
  constexpr uint64_t kWrites = 256;
  const std::string base = directory_.path() / "base";
  run_command("truncate -s 512M " + shell_quoted(base));
  create("-o cluster_size=2M -b " + shell_quoted(base) + " -F raw");
  ServedImage image(1, "qcow2", options_);
  image.storage().hang(base);
  const uint64_t before = resident_bytes();
  uint64_t done = 0;
  image.loop().post([&] {
    for (uint64_t i = 0; i < kWrites; ++i) {
      begin_write(image.image(), i * kClusterBytes + 512, done);
    }
  });
  image.world().run_for(std::chrono::seconds(1));
  EXPECT_EQ(done, 0U);
  EXPECT_LT(resident_bytes() - before, kWrites * kClusterBytes / 4);
  image.storage().release_all();
  ASSERT_TRUE(image.world().run_until([&] { return done == kWrites; }));
  EXPECT_FALSE(image.close());
}

/// It would read what is written there next.
TEST_F(Qcow2Fault, AClusterIsNotUsedAgainUnderAReadThatIsSlow) {
  constexpr uint64_t kClusterBytes = 65536;
  create("", "1M");
  ServedImage image(1, "qcow2", options_);
  ASSERT_FALSE(image.write(0, std::string(kClusterBytes, 'a')));
  ASSERT_FALSE(image.flush());
  std::string read(2 * kClusterBytes, 'x');  // the second cluster is not there: two parts
  bool done = false;
  behaviour(image).latency = {std::chrono::seconds(1), std::chrono::seconds(1)};
  image.loop().post([&] { begin_read(image.image(), read, done); });
  image.world().run_for(std::chrono::milliseconds(1));
  behaviour(image).latency = {std::chrono::microseconds(1), std::chrono::microseconds(2)};
  ASSERT_FALSE(image.discard(0, kClusterBytes));
  for (uint64_t at = 2 * kClusterBytes; at < 8 * kClusterBytes; at += kClusterBytes) {
    ASSERT_FALSE(image.flush());
    ASSERT_FALSE(image.write(at, std::string(kClusterBytes, 'b')));
  }
  EXPECT_FALSE(done);
  ASSERT_TRUE(image.world().run_until([&] { return done; }));
  EXPECT_TRUE(read == std::string(kClusterBytes, 'a') + std::string(kClusterBytes, '\0'));
  EXPECT_FALSE(image.close());
}

}  // namespace
}  // namespace tapring
