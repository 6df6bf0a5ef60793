// SPDX-License-Identifier: MIT
// What an administrator sees of a disk whose requests fail.
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "tests/daemon/vbd/host_test.h"
#include "tests/formats/qemu.h"
#include "tests/sim/log_lines.h"

namespace tapring {
namespace {

using namespace std::chrono_literals;

using sim::FileOperation;
using sim::SimLoad;
using testing::AllOf;
using testing::HasSubstr;
using testing::MatchesRegex;

class Faults : public HostTest {
 protected:
  void fail(FileOperation::Kind kind, int number) {
    host_.storage().behaviour(image_).fault = [kind, number](const FileOperation& operation) {
      return system_error_code(operation.kind == kind ? number : 0);
    };
  }

  /// A disk whose image `qemu-img` makes.
  DiskLine qcow2_line(const std::string& command, const std::string& size = {}) {
    DiskLine disk = line(1, "a.qcow2");
    image_ = disk.params;
    run_command("qemu-img " + command + ' ' + shell_quoted(image_) + size);
    disk.params = "qcow2:" + image_;
    disk.script = "/etc/xen/scripts/block-tapring";
    return disk;
  }

  void overwrite(uint64_t offset, const std::string& bytes) {
    std::fstream file(image_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(offset));
    file << bytes;
  }

  void run(SimFrontend& frontend, const sim::LoadOptions& options) {
    SimLoad load(host_.world(), frontend, options);
    EXPECT_TRUE(host_.run_until([&] { return load.done(); }));
  }

  bool comes_to(const std::string& state) {
    return host_.run_until([&] { return report().state == state; }, kToolstackPatience);
  }

  DiskReport report() { return host_.report(disk_.name); }

  static constexpr sim::LoadOptions kReads{
      .requests = 500, .depth = 40, .writes = 0, .flushes = 0, .discards = 0};

  sim::LogLines log_;
  DiskLine disk_ = line(1, "a.img");
  std::string image_ = disk_.params;
};

INSTANTIATE_TEST_SUITE_P(Seeds, Faults, testing::ValuesIn(sim::seeds(2)));

TEST_P(Faults, OfAKindTheFirstIsALineThenHowMany) {
  SimFrontend& frontend = attach_and_connect(disk_, {.queues = 2});
  fail(FileOperation::Kind::read, EIO);
  run(frontend, kReads);
  EXPECT_TRUE(comes_to("errors"));
  EXPECT_EQ(log_.count_with("1/xvda: a read at byte"), 1U);
  EXPECT_EQ(log_.count_with("failed: Input/output error (EIO)"), 1U);
  // The first line tells of as many as there are by then: one or more.
  const std::size_t of_several = log_.count_with("more like it)");
  host_.world().run_for(61s);
  EXPECT_EQ(log_.count_with("1/xvda: a read at byte"), 2U);
  EXPECT_EQ(log_.count_with("more like it)"), of_several + 1);
  host_.world().run_for(200s);
  EXPECT_EQ(log_.count_with("a read at byte"), 2U);
  fail(FileOperation::Kind::write, ENOTBLK);
  run(frontend, {.requests = 20, .writes = 1, .flushes = 0, .discards = 0});
  host_.world().run_for(1s);
  EXPECT_EQ(log_.count_with("a write at byte"), 1U);
}

TEST_P(Faults, TheLastErrorIsInTheReport) {
  SimFrontend& frontend = attach_and_connect(disk_);
  fail(FileOperation::Kind::read, EIO);
  run(frontend, kReads);
  EXPECT_TRUE(comes_to("errors"));
  const DiskReport report = this->report();
  EXPECT_TRUE(is_served(report));
  EXPECT_EQ(report.last_error.operation, "read");
  EXPECT_EQ(report.last_error.error, "EIO");
  EXPECT_EQ(report.last_error.message, "Input/output error");
  EXPECT_LT(report.last_error.offset, kImageBytes);
  EXPECT_THAT(report.last_error.time,
              MatchesRegex("20..-[01].-[0-3].T[0-2].:[0-5].:[0-6].Z"));
  EXPECT_THAT(report.reason, AllOf(HasSubstr("a read at byte"), HasSubstr(report.last_error.time),
                                   HasSubstr("journalctl -k")));
}

TEST_P(Faults, WhatAGuestDoesWrongIsNone) {
  SimFrontend& frontend = attach_and_connect(disk_);
  std::optional<int16_t> status;
  frontend.read(kImageBytes / 512, 8, [&status](int16_t answer) { status = answer; });
  EXPECT_TRUE(host_.run_until([&] { return status.has_value(); }));
  EXPECT_EQ(status, sim::kGuestError);
  EXPECT_EQ(report().state, "connected");
  EXPECT_EQ(report().last_error.operation, "");
}

TEST_P(Faults, AFailedFlushIsADiskThatHasFailed) {
  SimFrontend& frontend = attach_and_connect(disk_, {.queues = 2});
  fail(FileOperation::Kind::sync, ENOSPC);
  run(frontend, {.requests = 100});
  EXPECT_TRUE(comes_to("failed"));
  EXPECT_THAT(report().reason,
              AllOf(HasSubstr("a flush failed"), HasSubstr("No space left on device"),
                    HasSubstr("every write and flush fails now"),
                    HasSubstr("detach the disk"), HasSubstr("attach it again")));
  EXPECT_EQ(report().last_error.operation, "flush");
  EXPECT_EQ(report().last_error.error, "ENOSPC");
  EXPECT_EQ(log_.count_with("every write and flush fails now"), 1U);
  host_.world().run_for(1200s);
  EXPECT_EQ(report().state, "failed");
  host_.restart();
  EXPECT_TRUE(comes_to("failed"));
  EXPECT_THAT(report().reason, HasSubstr("under an earlier tapringd"));
  expect_detached(disk_);
  attach_and_connect(disk_);
  EXPECT_EQ(report().state, "connected");
}

TEST_P(Faults, AnImageThatIsCutShortIsSeen) {
  attach_and_connect(disk_);
  std::filesystem::resize_file(image_, kImageBytes / 2);
  for (int look = 0; look < 3; ++look) {
    host_.check_sizes();
    host_.world().run_for(5s);
  }
  EXPECT_EQ(report().state, "errors");
  EXPECT_THAT(report().reason, HasSubstr("make it large again (truncate -s 8388608 "));
  EXPECT_EQ(log_.count_with("I/O past its end fails"), 1U);
  std::filesystem::resize_file(image_, kImageBytes);
  host_.check_sizes();
  EXPECT_TRUE(comes_to("connected"));
}

// Its first new cluster is where it keeps its header: QEMU marks such an image as corrupt, too.
TEST_P(Faults, AnImageThatTurnsOutCorruptWhileItIsServed) {
  disk_ = qcow2_line("create -q -f qcow2", " 8M");
  overwrite(uint64_t{2} << 16, std::string(16, '\0'));
  SimFrontend& frontend = attach_and_connect(disk_);
  run(frontend, {.requests = 20, .writes = 1, .flushes = 0, .discards = 0});
  EXPECT_TRUE(comes_to("failed"));
  EXPECT_THAT(report().reason, AllOf(HasSubstr("the image is corrupt"),
                                     HasSubstr("tapring image check --repair all " + image_)));
  EXPECT_EQ(log_.count_with("every write fails now"), 1U);
}

TEST_P(Faults, ACompressedClusterThatIsDamaged) {
  const std::string raw = host_.image_path("raw");
  std::ofstream(raw) << std::string(kImageBytes, 'c');
  disk_ = qcow2_line("convert -c -f raw -O qcow2 " + shell_quoted(raw));
  const uint64_t metadata = uint64_t{5} << 16;
  overwrite(metadata, std::string(std::filesystem::file_size(image_) - metadata, '\xff'));
  SimFrontend& frontend = attach_and_connect(disk_);
  run(frontend, {.requests = 20, .writes = 0, .flushes = 0, .discards = 0});
  EXPECT_TRUE(comes_to("errors"));
  EXPECT_THAT(report().reason, AllOf(HasSubstr("a compressed cluster is damaged"),
                                     HasSubstr("tapring image check " + image_)));
  EXPECT_EQ(log_.count_with("a compressed cluster is damaged"), 1U);
}

TEST_P(Faults, WhatFailsNoRequestIsANotice) {
  disk_ = qcow2_line("create -q -f qcow2", " 8M");
  fail(FileOperation::Kind::discard, EOPNOTSUPP);
  SimFrontend& frontend = attach_and_connect(disk_);
  frontend.write(0, 8);
  host_.world().run_for(1s);
  frontend.discard(0, 128);
  frontend.flush();
  frontend.flush();
  host_.world().run_for(10s);
  EXPECT_EQ(report().state, "connected");
  EXPECT_THAT(report().notices, testing::Contains(HasSubstr("cannot punch holes")));
  EXPECT_EQ(log_.count_with("cannot punch holes"), 1U);
}

}  // namespace
}  // namespace tapring
