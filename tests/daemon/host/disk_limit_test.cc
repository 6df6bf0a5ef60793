// SPDX-License-Identifier: MIT
#include "daemon/host/disk_limit.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "daemon/config/options.h"

namespace tapring {
namespace {

TEST(DiskLimit, TheServicesDescriptorsAreEnoughForTheDefault) {
  constexpr uint64_t kOfTheUnit = 65536;  // LimitNOFILE=
  EXPECT_GE(disk_limit(kOfTheUnit, Options().worker_count()), Options().max_disks);
}

TEST(DiskLimit, FewDescriptorsAreFewDisks) {
  EXPECT_LT(disk_limit(1024, 4), 100U);
  EXPECT_GT(disk_limit(1024, 4), 10U);
  EXPECT_EQ(disk_limit(0, 64), 1U);
  for (const uint32_t workers : {1U, 4U, 64U}) {
    const uint64_t most = disk_limit(100'000, workers);
    EXPECT_LE(descriptors_of_daemon(workers) + most * descriptors_of_disk(workers), 100'000U);
    EXPECT_GT(descriptors_of_daemon(workers) + (most + 1) * descriptors_of_disk(workers), 100'000U);
  }
}

TEST(DiskLimit, PagesOfGuestsTakeNoMoreThanHalfOfTheMappings) {
  EXPECT_EQ(kept_page_limit(1000, 4), 125U);
  EXPECT_GT(mapping_limit(), 1000U);
}

TEST(DiskLimit, AllDescriptorsThatAreAllowedAreUsed) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  limit.rlim_cur = 64;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(raise_descriptor_limit(), limit.rlim_max);
}

}  // namespace
}  // namespace tapring
