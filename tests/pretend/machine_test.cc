// SPDX-License-Identifier: MIT
// The pretend Xen keeps to Xen's rules.
#include "tests/pretend/machine.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xen/xen.h>
// After xen.h, whose types it uses.
#include <xen/grant_table.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <functional>
#include <optional>

#include "tests/daemon/temporary_directory.h"
#include "tests/pretend/domains.h"
#include "tests/pretend/events.h"
#include "tests/pretend/grants.h"
#include "tests/pretend/guest_memory.h"

namespace tapring::pretend {
namespace {

constexpr DomainId kGuest = 1;

class MachineTest : public ::testing::Test {
 protected:
  MachineTest() { create_domain(machine_, kGuest); }

  /// Does the work in a process that is killed when it is done.
  static void in_killed_process(const std::function<void(Machine&)>& work,
                                const std::filesystem::path& directory) {
    const pid_t child = ::fork();
    if (child == 0) {
      Machine machine(directory);
      work(machine);
      ::kill(::getpid(), SIGKILL);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status));
  }

  static std::filesystem::path made(const std::filesystem::path& directory) {
    Machine::create(directory);
    return directory;
  }

  /// The port that has an event; nullopt if none has.
  static std::optional<Port> event_of(Events& events) {
    ::fcntl(events.fd(), F_SETFL, ::fcntl(events.fd(), F_GETFL) | O_NONBLOCK);
    Port port = 0;
    return events.take({&port, 1}) ? std::optional(port) : std::nullopt;
  }

  Result<std::byte*> map(Grants& grants, std::vector<GrantRef> refs, bool writable = true) {
    return grants.map(kGuest, refs, writable);
  }

  static Grants::Copy to_guest(void* from, GrantRef ref, uint16_t offset, uint16_t length) {
    Grants::Copy copy{};
    copy.source.virt = from;
    copy.dest.foreign.ref = ref;
    copy.dest.foreign.domid = kGuest;
    copy.dest.foreign.offset = offset;
    copy.len = length;
    copy.flags = GNTCOPY_dest_gref;
    return copy;
  }

  TemporaryDirectory directory_;
  Machine machine_{made(directory_.path())};
  Grants grants_{machine_, 0};
};

TEST_F(MachineTest, GrantedPagesAreMappedSideBySide) {
  GuestMemory memory(machine_, kGuest, 3);
  for (uint32_t page : {0U, 2U}) memory.grant(page, 0, Permission::read_write);
  const auto mapped = map(grants_, {memory.ref(2), memory.ref(0)});
  ASSERT_TRUE(mapped);
  (*mapped)[1] = std::byte{2};
  (*mapped)[kPageBytes] = std::byte{7};
  EXPECT_EQ(memory.pages(2, 1)[1], std::byte{2});
  EXPECT_EQ(memory.pages(0, 1)[0], std::byte{7});
  EXPECT_FALSE(grants_.unmap(*mapped, 2));
}

TEST_F(MachineTest, MappingIsRefusedAsAWhole) {
  GuestMemory memory(machine_, kGuest, 4);
  memory.grant(0, 0, Permission::read_write);
  memory.grant(1, 0, Permission::read);
  memory.grant(2, kGuest, Permission::read_write);
  for (const GrantRef bad : {memory.ref(1), memory.ref(2), memory.ref(3), kGrants, UINT32_MAX}) {
    const auto mapped = map(grants_, {memory.ref(0), bad});
    ASSERT_FALSE(mapped) << bad;
    EXPECT_EQ(mapped.error().value(), EINVAL);
  }
  EXPECT_TRUE(memory.end_access(0));
}

TEST_F(MachineTest, ReadOnlyGrantIsMappedForReading) {
  GuestMemory memory(machine_, kGuest, 1);
  memory.grant(0, 0, Permission::read);
  EXPECT_TRUE(map(grants_, {memory.ref(0)}, false));
}

TEST_F(MachineTest, MappingsAreCounted) {
  GuestMemory memory(machine_, kGuest, 1);
  memory.grant(0, 0, Permission::read_write);
  const auto first = map(grants_, {memory.ref(0)});
  const auto second = map(grants_, {memory.ref(0)});
  ASSERT_TRUE(first && second);
  EXPECT_FALSE(memory.end_access(0));
  EXPECT_FALSE(grants_.unmap(*first, 1));
  EXPECT_FALSE(memory.end_access(0));
  EXPECT_FALSE(grants_.unmap(*second, 1));
  EXPECT_TRUE(memory.end_access(0));
}

TEST_F(MachineTest, UnmappingNamesStartAndCount) {
  GuestMemory memory(machine_, kGuest, 2);
  for (uint32_t page : {0U, 1U}) memory.grant(page, 0, Permission::read_write);
  const auto mapped = map(grants_, {memory.ref(0), memory.ref(1)});
  ASSERT_TRUE(mapped);
  EXPECT_EQ(grants_.unmap(*mapped, 1).value(), EINVAL);
  EXPECT_EQ(grants_.unmap(*mapped + kPageBytes, 1).value(), EINVAL);
  EXPECT_FALSE(grants_.unmap(*mapped, 2));
}

TEST_F(MachineTest, MappingsOfAKilledProcessEnd) {
  GuestMemory memory(machine_, kGuest, 1);
  memory.grant(0, 0, Permission::read_write);
  in_killed_process(
      [&](Machine& machine) {
        static std::optional<Grants> grants;
        grants.emplace(machine, 0);
        const std::array refs{memory.ref(0)};
        if (!grants->map(kGuest, refs, true)) ::_exit(1);
      },
      directory_.path());
  EXPECT_TRUE(memory.end_access(0));
}

TEST_F(MachineTest, EachCopySaysHowItWent) {
  GuestMemory memory(machine_, kGuest, 3);
  memory.grant(0, 0, Permission::read_write);
  memory.grant(1, 0, Permission::read);
  std::array<char, 4> data{'a', 'b', 'c', 'd'};
  std::array copies{
      to_guest(data.data(), memory.ref(0), 4092, 4), to_guest(data.data(), memory.ref(1), 0, 4),
      to_guest(data.data(), memory.ref(2), 0, 4), to_guest(data.data(), kGrants, 0, 4)};
  std::array strange{to_guest(data.data(), memory.ref(0), 0, 4)};
  strange[0].dest.foreign.domid = 7;
  EXPECT_FALSE(grants_.copy(copies));
  EXPECT_FALSE(grants_.copy(strange));
  EXPECT_EQ(copies[0].status, GNTST_okay);
  EXPECT_EQ(copies[1].status, GNTST_general_error);
  EXPECT_EQ(copies[2].status, GNTST_general_error);
  EXPECT_EQ(copies[3].status, GNTST_bad_gntref);
  EXPECT_EQ(strange[0].status, GNTST_bad_domain);
  EXPECT_EQ(std::memcmp(memory.pages(0, 1).last(4).data(), data.data(), 4), 0);
}

TEST_F(MachineTest, CopyThatLeavesItsPageRefusesTheCall) {
  GuestMemory memory(machine_, kGuest, 1);
  memory.grant(0, 0, Permission::read_write);
  std::array<char, 4> data{};
  std::array copies{to_guest(data.data(), memory.ref(0), 0, 4),
                    to_guest(data.data(), memory.ref(0), 4094, 4)};
  EXPECT_EQ(grants_.copy(copies).value(), EINVAL);
  std::array without_grant{copies[0]};
  without_grant[0].flags = 0;
  EXPECT_EQ(grants_.copy(without_grant).value(), EINVAL);
}

TEST_F(MachineTest, BindingNeedsAPortThatWaitsForUs) {
  Events guest(machine_, kGuest);
  Events ours(machine_, 0);
  const Port for_us = guest.allocate_unbound(0).value();
  const Port for_others = guest.allocate_unbound(kGuest).value();
  EXPECT_EQ(ours.bind_interdomain(7, 1).error().value(), ESRCH);
  for (const Port bad : {Port{0}, for_others, kPorts - 1, kPorts, UINT32_MAX}) {
    EXPECT_EQ(ours.bind_interdomain(kGuest, bad).error().value(), EINVAL) << bad;
  }
  EXPECT_TRUE(ours.bind_interdomain(kGuest, for_us));
  EXPECT_EQ(ours.bind_interdomain(kGuest, for_us).error().value(), EINVAL);
}

TEST_F(MachineTest, EventsMergeUntilTheyAreUnmasked) {
  Events guest(machine_, kGuest);
  Events ours(machine_, 0);
  const Port theirs = guest.allocate_unbound(0).value();
  const Port port = ours.bind_interdomain(kGuest, theirs).value();
  EXPECT_EQ(event_of(ours), port) << "one at binding";
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(guest.notify(theirs));
  EXPECT_EQ(event_of(ours), std::nullopt) << "masked";
  EXPECT_FALSE(ours.unmask(port));
  EXPECT_EQ(event_of(ours), port);
  EXPECT_FALSE(ours.unmask(port));
  EXPECT_EQ(event_of(ours), std::nullopt) << "three were one";
}

TEST_F(MachineTest, NobodyIsToldOfEventsOfAPolledPort) {
  Events guest(machine_, kGuest);
  Events ours(machine_, 0);
  const Port theirs = guest.allocate_polled(0).value();
  const Port port = ours.bind_interdomain(kGuest, theirs).value();
  const uint64_t before = machine_.domain(0).counters.free_calls;
  EXPECT_FALSE(ours.notify(port));
  EXPECT_EQ(event_of(guest), std::nullopt);
  EXPECT_EQ(machine_.domain(0).counters.free_calls, before + 1);
  EXPECT_EQ(event_of(ours), port) << "one at binding";
  EXPECT_FALSE(ours.unmask(port));
  EXPECT_FALSE(guest.notify(theirs));
  EXPECT_EQ(event_of(ours), port) << "the other direction is as ever";
}

TEST_F(MachineTest, PortIsUnboundAgainWhenTheOtherEndCloses) {
  Events guest(machine_, kGuest);
  const Port theirs = guest.allocate_unbound(0).value();
  {
    Events ours(machine_, 0);
    EXPECT_TRUE(ours.bind_interdomain(kGuest, theirs));
  }
  EXPECT_FALSE(guest.notify(theirs)) << "lost, but no error";
  Events next(machine_, 0);
  EXPECT_TRUE(next.bind_interdomain(kGuest, theirs));
}

TEST_F(MachineTest, PortIsUnboundAgainWhenTheOtherEndIsKilled) {
  Events guest(machine_, kGuest);
  const Port theirs = guest.allocate_unbound(0).value();
  in_killed_process(
      [&](Machine& machine) {
        static std::optional<Events> events;
        events.emplace(machine, 0);
        if (!events->bind_interdomain(kGuest, theirs)) ::_exit(1);
      },
      directory_.path());
  Events next(machine_, 0);
  EXPECT_TRUE(next.bind_interdomain(kGuest, theirs));
}

TEST_F(MachineTest, PortsOfOthersAreNotConnected) {
  Events guest(machine_, kGuest);
  Events ours(machine_, 0);
  const Port port = guest.allocate_unbound(0).value();
  EXPECT_EQ(ours.notify(port).value(), ENOTCONN);
  EXPECT_EQ(ours.unmask(port).value(), ENOTCONN);
  EXPECT_EQ(ours.unbind(port).value(), ENOTCONN);
}

TEST_F(MachineTest, LockSurvivesItsHolder) {
  in_killed_process(
      [](Machine& machine) {
        static std::optional<Machine::Lock> lock;
        lock.emplace(machine);
      },
      directory_.path());
  const Machine::Lock lock(machine_);
}

TEST_F(MachineTest, DeathOfADomainIsAnEvent) {
  Events ours(machine_, 0);
  const Port port = ours.bind_virq(kVirqDomainGone).value();
  EXPECT_EQ(ours.bind_virq(kVirqDomainGone).error().value(), EEXIST);
  destroy_domain(machine_, kGuest);
  EXPECT_EQ(event_of(ours), port);
  EXPECT_EQ(map(grants_, {kXenstoreGrant}).error().value(), EINVAL);
  EXPECT_EQ(ours.bind_interdomain(kGuest, kXenstorePort).error().value(), ESRCH);
}

}  // namespace
}  // namespace tapring::pretend
