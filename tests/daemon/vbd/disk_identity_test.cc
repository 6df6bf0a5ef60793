// SPDX-License-Identifier: MIT
#include "daemon/vbd/disk_identity.h"

#include <gtest/gtest.h>

namespace tapring {
namespace {

struct NamedDisk {
  VbdName name{.kind = "vbd", .domain = 1, .device = 51712};
  VbdSpec spec;
  DiskSpec disk{"qcow2", "/a.qcow2"};
  DiskIdentity identity() const { return {name, spec, disk}; }
};

/// Of the stub domain that runs the device model of domain 1.
NamedDisk stub_disk() {
  NamedDisk stub;
  stub.name.domain = 2;
  stub.spec.target = 1;
  return stub;
}

TEST(DiskIdentity, AStubDomainsDiskIsItsGuests) {
  const NamedDisk guest;
  const NamedDisk stub = stub_disk();
  EXPECT_TRUE(guest.identity().is_twin_of(stub.identity()));
  EXPECT_TRUE(stub.identity().is_twin_of(guest.identity()));
  EXPECT_EQ(guest.identity().lock_name(), "vbd-1-51712");
  EXPECT_EQ(stub.identity().lock_name(), guest.identity().lock_name());
}

TEST(DiskIdentity, OtherDisksOfBothAreNotTwins) {
  const NamedDisk guest;
  NamedDisk stub = stub_disk();
  stub.name.device = 51728;
  EXPECT_FALSE(guest.identity().is_twin_of(stub.identity()));
  stub = stub_disk();
  stub.disk.format = "raw";
  EXPECT_FALSE(guest.identity().is_twin_of(stub.identity()));
  EXPECT_TRUE(guest.identity().is_of_same_machine(stub.identity()));
}

TEST(DiskIdentity, NothingIsATwinBeforeItsLineIsRead) {
  NamedDisk guest;
  NamedDisk stub = stub_disk();
  guest.disk.path.clear();
  stub.disk.path.clear();
  EXPECT_FALSE(guest.identity().is_twin_of(stub.identity()));
}

TEST(DiskIdentity, AGuestMigratesBetweenDomainsOfOneUuid) {
  NamedDisk source;
  NamedDisk destination;
  destination.name.domain = 2;
  EXPECT_FALSE(source.identity().is_migrating_with(destination.identity()));
  source.spec.guest = destination.spec.guest = "/vm/1";
  EXPECT_TRUE(source.identity().is_migrating_with(destination.identity()));
  destination.name.domain = 1;
  EXPECT_FALSE(source.identity().is_migrating_with(destination.identity()));
}

}  // namespace
}  // namespace tapring
