// SPDX-License-Identifier: MIT
#include "daemon/host/sysfs_blkback.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <thread>

#include "ring/unique_fd.h"

namespace tapring {

namespace {

Error write_to(const std::filesystem::path& attribute, const std::string& value) {
  const UniqueFd fd(::open(attribute.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) return system_error_code(errno);
  if (::write(fd.get(), value.data(), value.size()) < 0) return system_error_code(errno);
  return {};
}

}  // namespace

bool SysfsBlkback::loaded() const {
  std::error_code ignored;
  return std::filesystem::exists(driver() / "unbind", ignored);
}

bool SysfsBlkback::serves(const std::string& name) const {
  std::error_code ignored;
  return std::filesystem::exists(driver() / name, ignored);
}

Blkback::Limits SysfsBlkback::limits() const {
  const auto parameters = sysfs_ / "module/xen_blkback/parameters";
  Limits limits;
  std::ifstream(parameters / "max_queues") >> limits.max_queues;
  std::ifstream(parameters / "max_ring_page_order") >> limits.max_ring_order;
  // As the kernel prints a bool; before it had the parameter it always kept them.
  char persistent = 'Y';
  std::ifstream(parameters / "feature_persistent") >> persistent;
  limits.persistent_grants = persistent != 'N';
  return limits;
}

std::optional<BlockDevice> SysfsBlkback::block_device(const std::string& number) const {
  return read_block_device(sysfs_, number);
}

Error SysfsBlkback::unbind(const std::string& name, bool coming,
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

std::shared_ptr<const void> SysfsBlkback::without_persistent_grants() const {
  if (auto taken = without_persistent_grants_.lock()) return taken;
  const auto parameter = sysfs_ / "module/xen_blkback/parameters/feature_persistent";
  if (write_to(parameter, "N")) return nullptr;
  const std::shared_ptr<const void> taken(new char, [parameter](const char* token) {
    delete token;
    if (const Error error = write_to(parameter, "Y")) {
      spdlog::error("writing Y to {}: {}", parameter.string(), error.message());
    }
  });
  without_persistent_grants_ = taken;
  return taken;
}

Error SysfsBlkback::bind(const std::string& name) const { return write("bind", name); }

Error SysfsBlkback::write(const char* file, const std::string& name) const {
  return write_to(driver() / file, name);
}

}  // namespace tapring
