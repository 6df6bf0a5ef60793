// SPDX-License-Identifier: MIT
#include "daemon/blkback.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "ring/unique_fd.h"

namespace tapring {

bool Blkback::loaded() const {
  std::error_code ignored;
  return std::filesystem::exists(bus_ / "drivers/vbd/unbind", ignored);
}

bool Blkback::serves(const std::string& name) const {
  std::error_code ignored;
  return std::filesystem::exists(bus_ / "drivers/vbd" / name, ignored);
}

Error Blkback::unbind(const std::string& name, bool coming,
                      std::chrono::milliseconds patience) const {
  constexpr std::chrono::milliseconds kPause(1);
  const auto deadline = std::chrono::steady_clock::now() + patience;
  for (;;) {
    // ENODEV: the driver does not have the device, or not yet.
    const Error error = write("unbind", name);
    if (error != std::errc::no_such_device) return error;
    if (!coming || std::chrono::steady_clock::now() >= deadline) return {};
    std::this_thread::sleep_for(kPause);
  }
}

Error Blkback::bind(const std::string& name) const { return write("bind", name); }

Error Blkback::write(const char* file, const std::string& name) const {
  const UniqueFd fd(::open((bus_ / "drivers/vbd" / file).c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) return system_error_code(errno);
  if (::write(fd.get(), name.data(), name.size()) < 0) return system_error_code(errno);
  return {};
}

}  // namespace tapring
