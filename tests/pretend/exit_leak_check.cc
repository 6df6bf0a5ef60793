// SPDX-License-Identifier: MIT
// Loaded before the libraries of a tapringd with AddressSanitizer: it ends by _Exit(), and the
// check for leaks runs at exit() only.
#include <unistd.h>

extern "C" {

void __lsan_do_leak_check();

/// Ends the process with another exit code if there are leaks.
[[noreturn]] void _Exit(int status) {
  __lsan_do_leak_check();
  ::_exit(status);
}

}  // extern "C"
