// SPDX-License-Identifier: MIT
#include "daemon/datapath/error_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

namespace tapring {
namespace {

using testing::HasSubstr;

TEST(StorageFault, FullStorageIsToldFromStorageThatFails) {
  EXPECT_EQ(storage_fault(system_error_code(ENOSPC)), StorageFault::no_space);
  EXPECT_EQ(storage_fault(system_error_code(EDQUOT)), StorageFault::no_space);
  for (const int number : {EIO, EROFS, EFBIG, ETIMEDOUT, ENODEV, ESTALE, EREMOTEIO, ENOMEM}) {
    EXPECT_EQ(storage_fault(system_error_code(number)), StorageFault::io_error) << number;
  }
}

TEST(StorageFault, WhatNoWaitingMendsIsNone) {
  EXPECT_EQ(storage_fault({}), std::nullopt);
  for (const std::errc lasting :
       {std::errc::bad_address, std::errc::invalid_argument, std::errc::operation_not_supported,
        std::errc::operation_canceled, std::errc::state_not_recoverable, std::errc::bad_message}) {
    EXPECT_EQ(storage_fault(std::make_error_code(lasting)), std::nullopt);
    EXPECT_EQ(storage_fault(system_error_code(static_cast<int>(lasting))), std::nullopt);
  }
  for (const int number : {EIO, ENOSPC, EDQUOT}) {
    EXPECT_EQ(storage_fault(sync_result(system_error_code(number))), std::nullopt);
  }
}

TEST(ErrorPolicy, EveryFieldHasItsWords) {
  ErrorPolicy policy;
  EXPECT_TRUE(assign(policy, "on_no_space", "report"));
  EXPECT_TRUE(assign(policy, "on_io_error", "pause"));
  EXPECT_TRUE(assign(policy, "pause_limit_seconds", "60"));
  EXPECT_EQ(policy, (ErrorPolicy{OnError::report, OnError::pause, 60}));
  for (const char* field : policy_fields()) {
    EXPECT_TRUE(assign(policy, field, kDefaultWord)) << field;
    EXPECT_FALSE(assign(policy, field, "")) << field;
    EXPECT_THAT(expected_of(field), HasSubstr(kDefaultWord));
  }
  EXPECT_EQ(policy, (ErrorPolicy{OnError::report, OnError::pause, 60}));
}

TEST(ErrorPolicy, OtherWordsChangeNothing) {
  ErrorPolicy policy;
  EXPECT_FALSE(assign(policy, "on_no_space", "stop"));
  EXPECT_FALSE(assign(policy, "on_error", "pause"));
  EXPECT_FALSE(assign(policy, "on_error", "default"));
  EXPECT_FALSE(assign(policy, "pause_limit_seconds", "-1"));
  EXPECT_FALSE(assign(policy, "pause_limit_seconds", "604801"));
  EXPECT_FALSE(assign(policy, "pause_limit_seconds", "pause"));
  EXPECT_EQ(policy, ErrorPolicy{});
}

}  // namespace
}  // namespace tapring
