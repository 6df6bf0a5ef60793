// SPDX-License-Identifier: MIT
// What is asked of libxengnttab, and what is made of its answers: its functions are defined here,
// and hide those of the library.
#include "ring/xen_grants.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <xen/xen.h>
// After xen.h, whose types it uses.
#include <xen/grant_table.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <vector>

struct xengntdev_handle {};

namespace tapring {
namespace {

/// Two pages that can be mapped, and copies that end as they are told to.
struct FakeLibrary {
  int open_error = 0;
  int call_error = 0;  ///< of map and copy, which fail if `fails`
  bool fails = false;
  int open_handles = 0;
  uint32_t domain = 0;
  std::vector<uint32_t> refs;
  void* unmapped = nullptr;
  uint32_t unmapped_pages = 0;
  std::vector<xengnttab_grant_copy_segment_t> segments;
  std::vector<int16_t> statuses;
  alignas(kPageBytes) std::array<std::byte, 2 * kPageBytes> pages{};
  xengntdev_handle handle;
};

FakeLibrary* library = nullptr;

class XenGrantsTest : public testing::Test {
 protected:
  XenGrantsTest() { library = &library_; }
  ~XenGrantsTest() override { EXPECT_EQ(library_.open_handles, 0); }

  FakeLibrary library_;
};

TEST_F(XenGrantsTest, WithoutTheDeviceItSaysWhatIsMissing) {
  library_.open_error = ENOENT;
  try {
    const XenGrants grants;
    FAIL();
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code(), std::errc::no_such_file_or_directory);
    EXPECT_THAT(error.what(), testing::HasSubstr("/dev/xen/gntdev"));
  }
}

TEST_F(XenGrantsTest, PagesAreMappedTogetherAndUnmappedTogether) {
  XenGrants grants;
  const std::array<GrantRef, 2> refs{8, 11};
  const auto pages = grants.map(5, refs);
  ASSERT_TRUE(pages);
  EXPECT_EQ(pages->data(), library_.pages.data());
  EXPECT_EQ(pages->size(), library_.pages.size());
  EXPECT_EQ(library_.domain, 5U);
  EXPECT_THAT(library_.refs, testing::ElementsAre(8, 11));
  grants.unmap(*pages);
  EXPECT_EQ(library_.unmapped, library_.pages.data());
  EXPECT_EQ(library_.unmapped_pages, 2U);
}

TEST_F(XenGrantsTest, WhatCannotBeMappedIsAnErrorEvenIfNoneIsSet) {
  XenGrants grants;
  const std::array<GrantRef, 1> refs{8};
  library_.fails = true;
  for (const auto& [set, expected] : {std::pair(ENOMEM, ENOMEM), std::pair(0, EINVAL)}) {
    library_.call_error = set;
    EXPECT_EQ(grants.map(5, refs), std::unexpected(system_error_code(expected)));
  }
}

TEST_F(XenGrantsTest, ACopyNamesTheGuestsPageOnItsSide) {
  XenGrants grants;
  std::array<std::byte, 1024> memory{};
  std::array<GrantCopy, 2> copies{
      GrantCopy{.local = memory.data(), .ref = 9, .domain = 5, .offset = 512, .length = 1024},
      GrantCopy{.local = memory.data(), .ref = 10, .domain = 5, .length = 512, .to_guest = true}};
  library_.statuses = {GNTST_okay, GNTST_okay};
  EXPECT_FALSE(grants.copy(copies));
  ASSERT_EQ(library_.segments.size(), 2U);
  const auto& from = library_.segments[0];
  EXPECT_EQ(from.flags, GNTCOPY_source_gref);
  EXPECT_EQ(from.source.foreign.ref, 9U);
  EXPECT_EQ(from.source.foreign.offset, 512);
  EXPECT_EQ(from.source.foreign.domid, 5);
  EXPECT_EQ(from.dest.virt, memory.data());
  EXPECT_EQ(from.len, 1024);
  const auto& to = library_.segments[1];
  EXPECT_EQ(to.flags, GNTCOPY_dest_gref);
  EXPECT_EQ(to.dest.foreign.ref, 10U);
  EXPECT_EQ(to.source.virt, memory.data());
}

TEST_F(XenGrantsTest, EachCopyFailsForItself) {
  XenGrants grants;
  std::array<GrantCopy, 3> copies{};
  library_.statuses = {GNTST_okay, GNTST_bad_gntref, GNTST_okay};
  EXPECT_FALSE(grants.copy(copies));
  EXPECT_FALSE(copies[0].failed);
  EXPECT_TRUE(copies[1].failed);
  EXPECT_FALSE(copies[2].failed);
}

TEST_F(XenGrantsTest, ACallThatFailsIsAnErrorEvenIfNoneIsSet) {
  XenGrants grants;
  std::array<GrantCopy, 1> copies{};
  library_.fails = true;
  for (const auto& [set, expected] : {std::pair(EFAULT, EFAULT), std::pair(0, EIO)}) {
    library_.call_error = set;
    EXPECT_EQ(grants.copy(copies), system_error_code(expected));
  }
}

}  // namespace
}  // namespace tapring

using tapring::library;

extern "C" {

xengnttab_handle* xengnttab_open(xentoollog_logger*, unsigned) {
  errno = library->open_error;
  if (library->open_error != 0) return nullptr;
  ++library->open_handles;
  return &library->handle;
}

int xengnttab_close(xengnttab_handle*) {
  return --library->open_handles;
}

void* xengnttab_map_domain_grant_refs(xengnttab_handle*, uint32_t count, uint32_t domain,
                                      uint32_t* refs, int) {
  errno = library->call_error;
  if (library->fails) return nullptr;
  library->domain = domain;
  library->refs.assign(refs, refs + count);
  return library->pages.data();
}

int xengnttab_unmap(xengnttab_handle*, void* address, uint32_t count) {
  library->unmapped = address;
  library->unmapped_pages = count;
  return 0;
}

int xengnttab_grant_copy(xengnttab_handle*, uint32_t count,
                         xengnttab_grant_copy_segment_t* segments) {
  errno = library->call_error;
  if (library->fails) return -1;
  for (uint32_t i = 0; i < count; ++i) segments[i].status = library->statuses[i];
  library->segments.assign(segments, segments + count);
  return 0;
}

}  // extern "C"
