// SPDX-License-Identifier: MIT
#include "ring/error.h"

#include <cerrno>
#include <string>

namespace tapring {
namespace {

class LostWriteCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "lost write"; }

  std::string message(int number) const override {
    return "what was written may be lost: " + std::system_category().message(number);
  }

  std::error_condition default_error_condition(int /*number*/) const noexcept override {
    return std::errc::state_not_recoverable;
  }
};

}  // namespace

Error lost_write(Error cause) noexcept {
  static const LostWriteCategory category;
  if (cause == std::errc::state_not_recoverable) return cause;
  const bool has_errno = cause.category() == std::system_category();
  return {has_errno ? cause.value() : EIO, category};
}

Error sync_result(Error error) noexcept {
  for (const int not_carried_out : {0, EINTR, EAGAIN, ECANCELED}) {
    if (error == system_error_code(not_carried_out)) return error;
  }
  return lost_write(error);
}

}  // namespace tapring
