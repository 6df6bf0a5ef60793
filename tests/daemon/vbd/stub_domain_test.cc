// SPDX-License-Identifier: MIT
// A guest and the stub domain that runs its device model have the same disk at the same time.
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "tests/daemon/vbd/host_test.h"
#include "tests/formats/qemu.h"
#include "tests/sim/qcow2_image.h"

namespace tapring {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;

constexpr DomainId kServedGuest = 1;
constexpr DomainId kStub = 2;

class StubDomain : public HostTest {
 protected:
  StubDomain() { become_stub(kStub, kServedGuest); }

  void become_stub(DomainId stub, DomainId guest) {
    const std::string home = "/local/domain/";
    host_.store().write({{home + std::to_string(stub) + "/target", std::to_string(guest)}});
  }

  /// A new disk.
  DiskLine line_of(const std::string& format, const std::string& mode = "w") {
    DiskLine disk = line(kServedGuest, format + mode, mode);
    // A guest's driver knows what the disk of a name held before.
    disk.name.device += devices_++ * 16;
    if (format == "qcow2") {
      std::filesystem::resize_file(disk.params, 0);
      sim::make_qcow2(disk.params, {.disk_bytes = kImageBytes});
    }
    disk.params.insert(0, format + ":");
    disk.script = "/etc/xen/scripts/block-tapring";
    return disk;
  }

  static DiskLine stubs(const DiskLine& disk, const std::string& mode = "w") {
    DiskLine line = disk;
    line.name.domain = kStub;
    line.mode = mode;
    return line;
  }

  bool is_connected(const DiskLine& disk) {
    return host_.run_until([&] { return host_.report(disk.name).state == "connected"; });
  }

  std::string reason(const DiskLine& disk) const { return host_.report(disk.name).reason; }

  static std::string path_of(const DiskLine& disk) {
    return disk.params.substr(disk.params.find(':') + 1);
  }

  static void begin_flush(SimFrontend& frontend, std::optional<int16_t>& answer) {
    frontend.flush([&answer](int16_t status) { answer = status; });
  }

  int16_t flush(SimFrontend& frontend) {
    std::optional<int16_t> answer;
    begin_flush(frontend, answer);
    EXPECT_TRUE(host_.run_until([&] { return answer.has_value(); }, 10s));
    return answer.value_or(int16_t{1});
  }

  /// After a kill, when either may be the first to open the image, and both flush at once.
  void expect_both_are_told(SimFrontend& stub, SimFrontend& guest) {
    std::optional<int16_t> of_stub;
    std::optional<int16_t> of_guest;
    begin_flush(stub, of_stub);
    begin_flush(guest, of_guest);
    EXPECT_TRUE(host_.run_until([&] { return of_stub && of_guest; }, 10s));
    EXPECT_EQ(of_stub, sim::kGuestError);
    EXPECT_EQ(of_guest, sim::kGuestError);
  }

  uint32_t devices_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Seeds, StubDomain, testing::ValuesIn(sim::seeds(2)));

TEST_P(StubDomain, AndItsGuestUseADiskInTurn) {
  for (const char* format : {"raw", "qcow2"}) {
    const DiskLine disk = line_of(format);
    SimFrontend& stub = attach_and_connect(stubs(disk));
    expect_served(stub, {.requests = 40});
    SimFrontend& guest = attach_and_connect(disk, {.queues = 2});
    expect_served(guest, {.requests = 40});
    expect_served(stub, {.requests = 40});
    expect_detached(stubs(disk));
    expect_served(guest, {.requests = 40});
    expect_detached(disk);
    EXPECT_EQ(sim::Host::descriptors(path_of(disk)), 0U);
    const bool has_map = disk.params.starts_with("qcow2:");
    EXPECT_EQ(has_map ? complaints_of_qemu(path_of(disk)) : "", "");
  }
  EXPECT_EQ(host_.held(), "");
}

TEST_P(StubDomain, MayLeaveItsGuestBehindOrBeLeft) {
  for (const char* format : {"raw", "qcow2"}) {
    const DiskLine disk = line_of(format);
    SimFrontend& guest = attach_and_connect(disk, {.queues = 3});
    expect_served(guest, {.requests = 40});
    SimFrontend& stub = attach_and_connect(stubs(disk));
    expect_detached(disk);
    expect_served(stub, {.requests = 40});
    EXPECT_GT(sim::Host::descriptors(path_of(disk)), 0U);
    EXPECT_EQ(host_.witnesses().size(), 1U);
    expect_detached(stubs(disk));
    EXPECT_EQ(host_.held(), "");
  }
}

TEST_P(StubDomain, ConnectsAtTheSameMomentAsItsGuest) {
  const DiskLine disk = line_of("qcow2");
  SimFrontend& guest = attach(disk);
  SimFrontend& stub = attach(stubs(disk));
  EXPECT_TRUE(host_.run_until([&] { return guest.connected() && stub.connected(); }, 10s));
  expect_served(guest, {.requests = 40});
  expect_served(stub, {.requests = 40});
}

TEST_P(StubDomain, SharesTheDiskAfterARestartAndAfterAKill) {
  for (const std::string format : {"raw", "qcow2"}) {
    const std::string mode = (GetParam() % 2 == 0) == (format == "raw") ? "w!" : "w";
    const DiskLine disk = line_of(format, mode);
    const DiskLine of_stub = stubs(disk, mode);
    SimFrontend& stub = attach_and_connect(of_stub);
    SimFrontend& guest = attach_and_connect(disk);
    for (const bool killed : {false, true}) {
      sim::SimLoad load(host_.world(), guest, {.requests = 40});
      host_.world().run_for(1ms);
      if (killed) {
        host_.kill();
        host_.start();
      } else {
        host_.restart();
      }
      EXPECT_TRUE(is_connected(disk));
      EXPECT_TRUE(is_connected(of_stub));
      EXPECT_TRUE(host_.run_until([&] { return load.done(); }));
      EXPECT_EQ(load.failed(), 0U);
      expect_served(stub, {.requests = 40});
    }
    expect_detached(of_stub);
    expect_detached(disk);
  }
}

TEST_P(StubDomain, IsToldThatTheImageIsCorruptAsItsGuestIs) {
  const DiskLine disk = line_of("qcow2");
  // The refcounts, of which the first block follows their table: a new cluster is the header's.
  run_command("qemu-img create -q -f qcow2 " + shell_quoted(path_of(disk)) + " 8M");
  std::fstream(path_of(disk), std::ios::in | std::ios::out | std::ios::binary)
      .seekp(std::streamoff{2} << 16)
      .write(std::string(16, '\0').data(), 16);
  SimFrontend& stub = attach_and_connect(stubs(disk));
  attach_and_connect(disk);
  sim::SimLoad load(host_.world(), stub, {.requests = 20, .writes = 1, .flushes = 0,
                                          .discards = 0});
  EXPECT_TRUE(host_.run_until([&] { return load.done(); }));
  for (const DiskLine& line : {disk, stubs(disk)}) {
    EXPECT_TRUE(host_.run_until([&] { return host_.report(line.name).state == "failed"; }));
    EXPECT_THAT(reason(line), HasSubstr("the image is corrupt"));
  }
  // So is who comes when that is known.
  expect_detached(disk);
  attach_and_connect(disk);
  EXPECT_THAT(reason(disk), HasSubstr("the image is corrupt"));
  expect_detached(stubs(disk));
  expect_detached(disk);
}

// The kernel forgets the loss once it has told one daemon of it: whichever twin opens the image
// first.
TEST_P(StubDomain, IsToldAsItsGuestIsOfWritesLostUnderAKilledDaemon) {
  const DiskLine disk = line_of("raw");
  SimFrontend& stub = attach_and_connect(stubs(disk));
  SimFrontend& guest = attach_and_connect(disk);
  for (SimFrontend* frontend : {&stub, &guest}) {
    expect_served(*frontend, {.requests = 20, .writes = 1, .flushes = 0});
  }
  host_.storage().lose_writes(path_of(disk), EIO);
  // Else the kernel would tell the one that opens it anew, too.
  uint64_t others = 0;
  EXPECT_TRUE(host_.storage().take_writeback_error(path_of(disk), others));
  host_.kill();
  host_.start();
  expect_both_are_told(stub, guest);
}

// What the storage says to one flush is never said again, not even to a witness.
TEST_P(StubDomain, IsToldAfterAKillOfAFlushOfItsGuestThatFailed) {
  const DiskLine disk = line_of("raw");
  SimFrontend& stub = attach_and_connect(stubs(disk));
  SimFrontend& guest = attach_and_connect(disk, {.queues = 2});
  expect_served(stub, {.requests = 20, .writes = 1, .flushes = 0});
  host_.storage().behaviour(path_of(disk)).fault = [](const sim::FileOperation& operation) {
    return system_error_code(operation.kind == sim::FileOperation::Kind::sync ? EIO : 0);
  };
  EXPECT_EQ(flush(guest), sim::kGuestError);
  host_.storage().behaviour(path_of(disk)).fault = {};
  host_.kill();
  host_.start();
  expect_both_are_told(stub, guest);
}

TEST_P(StubDomain, MayOnlyRead) {
  const DiskLine disk = line_of("qcow2");
  SimFrontend& guest = attach_and_connect(disk);
  SimFrontend& stub = attach_and_connect(stubs(disk, "r"));
  EXPECT_TRUE(stub.read_only());
  expect_served(guest, {.requests = 40});
  expect_served(stub, {.requests = 20, .writes = 0});
}

TEST_P(StubDomain, HasToWaitForNobodyWhoOnlyReads) {
  const DiskLine disk = line_of("raw", "r");
  attach_and_connect(disk);
  const DiskLine writer = stubs(disk);
  attach(writer);
  EXPECT_TRUE(refused(writer));
  EXPECT_THAT(reason(writer), HasSubstr("is in use by disk 1/xvda of this tapringd"));
}

TEST_P(StubDomain, OfAnotherGuestIsRefused) {
  constexpr DomainId kOther = 3;
  const DiskLine disk = line_of("raw");
  SimFrontend& guest = attach_and_connect(disk);
  become_stub(kStub, kOther);
  const DiskLine of_stub = stubs(disk);
  attach(of_stub);
  EXPECT_TRUE(refused(of_stub));
  expect_detached(of_stub);
  expect_served(guest, {.requests = 40});
}

TEST_P(StubDomain, SharesOnlyTheSameDisk) {
  const DiskLine disk = line_of("raw");
  attach_and_connect(disk);
  DiskLine other_format = stubs(disk);
  other_format.params = "qcow2:" + path_of(disk);
  DiskLine other_device = stubs(disk);
  other_device.name.device = 51728;
  other_device.vdev = "xvdb";
  for (const DiskLine& line : {other_format, other_device}) {
    attach(line);
    EXPECT_TRUE(refused(line));
    expect_detached(line);
  }
}

TEST_P(StubDomain, IsLeftBehindByAGuestThatMigratesToItsOwnHost) {
  constexpr DomainId kDestination = 3;
  const std::string guest = "/vm/0e2c6a4b-7d5f-4f0a-9a53-1f0d3c5b7a99";
  for (const DomainId domain : {kServedGuest, kDestination}) {
    host_.store().write({{"/local/domain/" + std::to_string(domain) + "/vm", guest}});
  }
  const DiskLine disk = line_of("raw");
  attach_and_connect(stubs(disk));
  DiskLine destination = disk;
  destination.name.domain = kDestination;
  SimFrontend& moved = attach(destination);
  EXPECT_TRUE(reaches(destination, Progress::attached));
  host_.world().run_for(10s);
  EXPECT_THAT(reason(destination), HasSubstr("held by disk 2/xvda of this tapringd"));
  expect_detached(stubs(disk));
  EXPECT_TRUE(host_.run_until([&] { return moved.connected(); }));
}

}  // namespace
}  // namespace tapring
