// SPDX-License-Identifier: MIT
#include "ring/uring.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace tapring {
namespace {

int result_of(Uring& uring) {
  io_uring_submit_and_wait(&uring.get(), 1);
  io_uring_cqe* cqe = nullptr;
  if (io_uring_peek_cqe(&uring.get(), &cqe) != 0) return 1;
  const int result = cqe->res;
  io_uring_cqe_seen(&uring.get(), cqe);
  return result;
}

TEST(Uring, OpensNoFileAndNoSocket) {
  Uring uring(8);
  uring.enable();
  io_uring_prep_openat(io_uring_get_sqe(&uring.get()), -100, "/dev/null", 0, 0);
  EXPECT_EQ(result_of(uring), -EACCES);
  io_uring_prep_socket(io_uring_get_sqe(&uring.get()), 1, 1, 0, 0);
  EXPECT_EQ(result_of(uring), -EACCES);
}

TEST(Uring, ChainsNoRequests) {
  Uring uring(8);
  uring.enable();
  io_uring_sqe* const sqe = io_uring_get_sqe(&uring.get());
  io_uring_prep_nop(sqe);
  sqe->flags |= IOSQE_IO_LINK;
  EXPECT_EQ(result_of(uring), -EACCES);
  io_uring_prep_nop(io_uring_get_sqe(&uring.get()));
  EXPECT_EQ(result_of(uring), 0);
}

TEST(Uring, TakesNoCredentials) {
  Uring uring(8);
  uring.enable();
  EXPECT_EQ(io_uring_register_personality(&uring.get()), -EACCES);
}

}  // namespace
}  // namespace tapring
