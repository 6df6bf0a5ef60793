// SPDX-License-Identifier: MIT
// What a process that walls are raised around can still do.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <functional>

namespace tapring {

/// `act` in a process of its own: the errno value that it left if it returned a negative number.
/// Fails the test if that process was killed.
inline int errno_of_fork(const std::function<long()>& act) {
  const pid_t child = ::fork();
  if (child == 0) {
    errno = 0;
    ::_exit(act() < 0 ? errno : 0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status)) << status;
  return WEXITSTATUS(status);
}

}  // namespace tapring
