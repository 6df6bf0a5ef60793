// SPDX-License-Identifier: MIT
#include "ring/uring.h"

#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <system_error>
#include <vector>

namespace tapring {
namespace {

constexpr std::array kOperations{
    IORING_OP_NOP,     IORING_OP_READ,     IORING_OP_READV,      IORING_OP_READ_FIXED,
    IORING_OP_WRITE,   IORING_OP_WRITEV,   IORING_OP_WRITE_FIXED, IORING_OP_FSYNC,
    IORING_OP_STATX,   IORING_OP_FALLOCATE, IORING_OP_POLL_ADD,  IORING_OP_TIMEOUT,
    IORING_OP_CLOSE,   IORING_OP_TIMEOUT_REMOVE,
};

constexpr std::array kRegistrations{
    IORING_REGISTER_BUFFERS2,
    IORING_REGISTER_BUFFERS_UPDATE,
    IORING_REGISTER_IOWQ_MAX_WORKERS,
};

std::string remedy_for(int error) {
  switch (error) {
    case EINVAL:
    case ENOSYS: {
      struct utsname kernel {};
      ::uname(&kernel);
      return std::string("io_uring of Linux 6.1 or later is needed, and this is Linux ") +
             kernel.release;
    }
    case EPERM: return "io_uring is forbidden: see kernel.io_uring_disabled and the service's "
                       "SystemCallFilter=";
    case ENOMEM: return "raise LimitMEMLOCK= of the service";
    default: return "setting up io_uring";
  }
}

void require(int error) {
  if (error < 0) throw std::system_error(-error, std::system_category(), remedy_for(-error));
}

/// liburing 2.3 declares functions for these, and does not export them.
void change(const io_uring& uring, unsigned what, const void* values, std::size_t count) {
  if (::syscall(SYS_io_uring_register, uring.ring_fd, what, values, count) != 0) require(-errno);
}

}  // namespace

Uring::Uring(unsigned entries) {
  // The kernel completes requests only when we ask for completions, in our own calls. Kernels
  // before Linux 6.1 refuse these flags, and nothing is tested on them.
  io_uring_params parameters{};
  parameters.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                     IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED;
  parameters.cq_entries = entries * 4;
  require(io_uring_queue_init_params(entries, &uring_, &parameters));
  try {
    restrict_requests();
  } catch (...) {
    io_uring_queue_exit(&uring_);
    throw;
  }
}

void Uring::restrict_requests() {
  std::vector<io_uring_restriction> allowed;
  const auto allow = [&allowed](unsigned what, unsigned value) {
    io_uring_restriction& one = allowed.emplace_back();
    one.opcode = static_cast<uint16_t>(what);
    one.sqe_op = static_cast<uint8_t>(value);  // as are all members of this union: one byte
  };
  for (const auto operation : kOperations) allow(IORING_RESTRICTION_SQE_OP, operation);
  for (const auto one : kRegistrations) allow(IORING_RESTRICTION_REGISTER_OP, one);
  allow(IORING_RESTRICTION_SQE_FLAGS_ALLOWED, IOSQE_ASYNC);
  change(uring_, IORING_REGISTER_RESTRICTIONS, allowed.data(), allowed.size());
}

void Uring::enable() { change(uring_, IORING_REGISTER_ENABLE_RINGS, nullptr, 0); }

}  // namespace tapring
