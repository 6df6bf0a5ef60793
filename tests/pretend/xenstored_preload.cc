// SPDX-License-Identifier: MIT
// What Debian's xenstored needs of a pretend Xen besides the two libraries: it is loaded before
// xenstored's own. Two files of /proc/xen say how domain 0 reaches xenstore, and a hypercall which
// domains there are.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

extern "C" {  // the header does not say so itself
#include <xenctrl.h>
}

#include <cerrno>
#include <cstdarg>
#include <string>
#include <string_view>

#include "tests/pretend/machine.h"

using tapring::DomainId;
using tapring::UniqueFd;
using tapring::pretend::DomainState;
using tapring::pretend::Machine;

namespace {

using Open = int (*)(const char*, int, ...);

/// Reads as the number of the port.
int open_port() {
  UniqueFd fd(static_cast<int>(::memfd_create("xsd_port", MFD_CLOEXEC)));
  const std::string number = std::to_string(tapring::pretend::kXenstorePort);
  if (!fd || ::pwrite(fd.get(), number.data(), number.size(), 0) < 0) return -1;
  return fd.release();
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  static_assert(tapring::pretend::kXenstorePage == 0);  // so the page is at the file's beginning
  if (path == std::string_view("/proc/xen/xsd_port")) return open_port();
  if (path == std::string_view("/proc/xen/xsd_kva")) {
    return Machine::of_environment().open_memory(0).release();
  }
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  static const auto next = reinterpret_cast<Open>(::dlsym(RTLD_NEXT, "open"));
  return next(path, flags, mode);
}

xc_interface* xc_interface_open(xentoollog_logger*, xentoollog_logger*, unsigned) {
  static char handle;
  return reinterpret_cast<xc_interface*>(&handle);
}

int xc_interface_close(xc_interface*) {
  return 0;
}

int xc_domain_getinfo(xc_interface*, uint32_t first, unsigned most, xc_dominfo_t* info) {
  Machine& machine = Machine::of_environment();
  unsigned found = 0;
  for (uint32_t id = first; id < tapring::pretend::kDomains && found < most; ++id) {
    const DomainState state = machine.domain(static_cast<DomainId>(id)).state;
    if (state == DomainState::none) continue;
    info[found] = {};
    info[found].domid = id;
    info[found].dying = state == DomainState::dying;
    ++found;
  }
  if (found == 0) errno = ESRCH;
  return found == 0 ? -1 : static_cast<int>(found);
}

}  // extern "C"
