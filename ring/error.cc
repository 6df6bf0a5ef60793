// SPDX-License-Identifier: MIT
#include "ring/error.h"

#include <cerrno>
#include <cstring>
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

const LostWriteCategory& lost_write_category() noexcept {
  static const LostWriteCategory category;
  return category;
}

}  // namespace

Error lost_write(Error cause) noexcept {
  if (cause == std::errc::state_not_recoverable) return cause;
  const bool has_errno = cause.category() == std::system_category();
  return {has_errno ? cause.value() : EIO, lost_write_category()};
}

const char* errno_name(Error error) noexcept {
  const bool has_errno = error.category() == std::system_category() ||
                         error.category() == std::generic_category() ||
                         error.category() == lost_write_category();
  const int number = has_errno ? error.value() : error.default_error_condition().value();
  const char* name = ::strerrorname_np(number);
  return name == nullptr ? "?" : name;
}

Error sync_result(Error error) noexcept {
  for (const int not_carried_out : {0, EINTR, EAGAIN, ECANCELED}) {
    if (error == system_error_code(not_carried_out)) return error;
  }
  return lost_write(error);
}

}  // namespace tapring
