// SPDX-License-Identifier: MIT
#include "daemon/vbd/fault_log.h"

#include <memory>
#include <system_error>

#include "tests/daemon/vbd/device_parts.h"

namespace tapring {
namespace {

class FaultLogTest : public DeviceParts {
 protected:
  FaultLog log_of_faults_{scope_};
};

TEST_F(FaultLogTest, AnImageThatIsTooShortIsAnErrorUntilItIsNot) {
  log_of_faults_.prepare("/a.img", {}, std::make_shared<LostWrites>());
  EXPECT_FALSE(log_of_faults_.has_errors());
  log_of_faults_.check_size(512, 1024);
  EXPECT_TRUE(log_of_faults_.has_errors());
  EXPECT_TRUE(log_of_faults_.reason().starts_with("/a.img is now 512 bytes, less than"));
  log_of_faults_.check_size(1024, 1024);
  EXPECT_FALSE(log_of_faults_.has_errors());
}

TEST_F(FaultLogTest, AFailedRequestIsReported) {
  const auto faults = log_of_faults_.prepare("/a.img", {}, std::make_shared<LostWrites>());
  faults->note(
      {"read", 4096, std::make_error_code(std::errc::io_error), std::chrono::system_clock::now()});
  EXPECT_TRUE(log_of_faults_.has_errors());
  DiskReport report;
  log_of_faults_.add_to(report);
  EXPECT_EQ(report.last_error.operation, "read");
  EXPECT_EQ(report.last_error.error, "EIO");
  EXPECT_EQ(log_of_faults_.failure(), "");
}

TEST_F(FaultLogTest, WritesThatAPredecessorLostFailTheDisk) {
  log_of_faults_.prepare("/a.img", std::make_error_code(std::errc::io_error),
                         std::make_shared<LostWrites>());
  EXPECT_NE(log_of_faults_.failure(), "");
  log_of_faults_.prepare("/a.img", {}, std::make_shared<LostWrites>());
  EXPECT_EQ(log_of_faults_.failure(), "");
}

}  // namespace
}  // namespace tapring
