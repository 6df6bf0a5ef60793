// SPDX-License-Identifier: MIT
#pragma once

namespace tapring {

/// Told the result of one submission to io_uring: a count or a negative errno.
class Completion {
 public:
  virtual void completed(int result) noexcept = 0;

 protected:
  ~Completion() = default;
};

}  // namespace tapring
