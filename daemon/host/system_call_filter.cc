// SPDX-License-Identifier: MIT
#include "daemon/host/system_call_filter.h"

#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>

#include <cerrno>
#include <cstdint>
#include <memory>
#include <span>
#include <system_error>
#include <type_traits>

namespace tapring {
namespace {

constexpr const char* kOfProcess[] = {
    "brk", "clock_getres", "clock_gettime", "clock_nanosleep", "exit", "exit_group", "futex",
    "get_robust_list", "getcpu", "getegid", "geteuid", "getgid", "getpid", "getppid", "getrandom",
    "getrusage", "gettid", "gettimeofday", "getuid", "madvise", "membarrier", "mincore", "mmap",
    "mprotect", "mremap", "munmap", "nanosleep", "prctl", "prlimit64", "restart_syscall", "rseq",
    "rt_sigaction", "rt_sigpending", "rt_sigprocmask", "rt_sigreturn", "rt_sigsuspend",
    "rt_sigtimedwait", "sched_get_priority_max", "sched_get_priority_min", "sched_getaffinity",
    "sched_getparam", "sched_getscheduler", "sched_setaffinity", "sched_yield",
    "set_robust_list", "set_tid_address", "sigaltstack", "sysinfo", "tgkill", "time", "times",
    "umask", "uname",
};

constexpr const char* kOfFiles[] = {
    "access", "close", "close_range", "copy_file_range", "creat", "dup", "dup2", "dup3",
    "faccessat", "faccessat2", "fadvise64", "fallocate", "fcntl", "fdatasync", "fgetxattr",
    "flock", "fstat", "fstatfs", "fsync", "ftruncate", "getcwd", "getdents64", "getxattr",
    "lseek", "lstat", "mkdir", "mkdirat", "newfstatat", "open", "openat", "openat2", "pread64",
    "preadv", "preadv2", "pwrite64", "pwritev", "pwritev2", "read", "readahead", "readlink",
    "readlinkat", "readv", "stat", "statfs", "statx", "sync_file_range", "unlink", "unlinkat",
    "write", "writev",
};

constexpr const char* kOfEvents[] = {
    "epoll_create", "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_pwait2", "epoll_wait",
    "eventfd2", "io_uring_enter", "io_uring_register", "pipe", "pipe2", "poll", "ppoll",
    "pselect6", "select", "signalfd4", "timerfd_create", "timerfd_gettime", "timerfd_settime",
};

// Of the socket to the control process, which is there already.
constexpr const char* kOfSockets[] = {
    "accept", "accept4", "getsockname", "getsockopt", "recvfrom", "recvmmsg", "recvmsg",
    "sendmmsg", "sendmsg", "sendto", "setsockopt", "shutdown",
};

constexpr const char* kOfReplacedLibraries[] = {
    "bind", "connect", "fchmod", "fchown", "getpeername", "kill", "link", "listen", "memfd_create",
    "mknod", "mknodat", "mlock", "mlock2", "msync", "munlock", "pidfd_open", "rename", "renameat",
    "renameat2", "rmdir", "shmat", "shmctl", "shmdt", "shmget", "socket", "socketpair",
};

// By the byte that tells whose they are: the two devices of Xen ('G', 'E'), block devices and the
// extents of files.
constexpr uint64_t kOwnerOfIoctl = 0xff00;
constexpr uint64_t kIoctlOwners[] = {'G' << 8U, 'E' << 8U, 0x12U << 8U, 'f' << 8U};
// Of terminals none but the question whether one is there: what is put into one would be read by
// whoever sits there.
constexpr uint64_t kIoctls[] = {FIONBIO, FIONREAD, TCGETS};

/// Of the argument of that number, from 0 on.
scmp_arg_cmp masked(unsigned number, uint64_t mask, uint64_t value) {
  return {number, SCMP_CMP_MASKED_EQ, mask, value};
}

class Filter {
 public:
  Filter() : context_(::seccomp_init(SCMP_ACT_ERRNO(EPERM))) {
    if (!context_) throw std::system_error(ENOMEM, std::system_category(), "seccomp");
  }

  void allow(std::span<const char* const> names) {
    for (const char* name : names) {
      const int number = ::seccomp_syscall_resolve_name(name);
      // One that this architecture lacks is none of its own.
      if (number >= 0) require(::seccomp_rule_add(context_.get(), SCMP_ACT_ALLOW, number, 0));
    }
  }

  void allow_if(int number, const scmp_arg_cmp& argument) {
    require(::seccomp_rule_add(context_.get(), SCMP_ACT_ALLOW, number, 1, argument));
  }

  /// As if the kernel did not know it.
  void deny_as_unknown(int number) {
    require(::seccomp_rule_add(context_.get(), SCMP_ACT_ERRNO(ENOSYS), number, 0));
  }

  void load() {
    ::seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_LOG, 1);  // kernels know it since Linux 4.14
    require(::seccomp_load(context_.get()));
  }

 private:
  struct Release {
    void operator()(scmp_filter_ctx context) const noexcept { ::seccomp_release(context); }
  };

  static void require(int error) {
    if (error < 0) throw std::system_error(-error, std::system_category(), "seccomp");
  }

  std::unique_ptr<std::remove_pointer_t<scmp_filter_ctx>, Release> context_;
};

/// Threads, but no processes. The flags of clone3() lie in memory, where no filter sees them: glibc
/// takes clone() where that is unknown.
void allow_threads(Filter& filter) {
  filter.allow_if(SCMP_SYS(clone), masked(0, CLONE_THREAD, CLONE_THREAD));
  filter.deny_as_unknown(SCMP_SYS(clone3));
}

void allow_ioctls(Filter& filter) {
  for (const uint64_t owner : kIoctlOwners) {
    filter.allow_if(SCMP_SYS(ioctl), masked(1, kOwnerOfIoctl, owner));
  }
  for (const uint64_t request : kIoctls) {
    filter.allow_if(SCMP_SYS(ioctl), masked(1, UINT64_MAX, request));
  }
}

}  // namespace

void filter_system_calls(XenLibraries libraries) {
  Filter filter;
  filter.allow(kOfProcess);
  filter.allow(kOfFiles);
  filter.allow(kOfEvents);
  filter.allow(kOfSockets);
  allow_threads(filter);
  if (libraries == XenLibraries::replaced) {
    filter.allow(kOfReplacedLibraries);
    constexpr const char* kAnyIoctl[] = {"ioctl"};
    filter.allow(kAnyIoctl);
  } else {
    allow_ioctls(filter);
  }
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    throw std::system_error(errno, std::system_category(), "no_new_privs");
  }
  filter.load();
}

}  // namespace tapring
