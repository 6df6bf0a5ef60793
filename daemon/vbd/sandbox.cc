// SPDX-License-Identifier: MIT
#include "daemon/vbd/sandbox.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <filesystem>
#include <ranges>
#include <string_view>
#include <utility>

#include "daemon/config/disk_spec.h"

namespace tapring {
namespace {

bool has_option(const std::string& options, std::string_view name) {
  return std::ranges::any_of(std::views::split(options, ','), [name](const auto& option) {
    return std::ranges::equal(option, name);
  });
}

/// The directory of `path`, if it can stand in a shell's word and in a unit as it is.
std::string directory_of(const std::string& path) {
  const std::string directory = std::filesystem::path(path).parent_path().string();
  const bool plain = std::ranges::all_of(directory, [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '/' || c == '.' || c == '_' || c == '-' || c == '+';
  });
  return plain ? directory : "DIRECTORY";
}

/// The commands that put `lines` into a drop-in of the unit.
std::string drop_in(std::string_view name, std::string_view lines) {
  return fmt::format(
      "printf '[Service]\\n{}\\n' >/etc/systemd/system/tapringd.service.d/{}.conf; "
      "systemctl daemon-reload && systemctl restart tapringd",
      lines, name);
}

/// As /proc/devices calls the driver.
std::string_view group_of_device(std::string_view path) {
  if (path.starts_with("/dev/loop")) return "block-loop";
  if (path.starts_with("/dev/sd")) return "block-sd";
  if (path.starts_with("/dev/dm-") || path.starts_with("/dev/mapper/"))
    return "block-device-mapper";
  return "block-*";
}

std::string show_device(const std::string& path) {
  return drop_in("devices",
                 fmt::format("PrivateDevices=no\\nDeviceAllow={} rw", group_of_device(path)));
}

/// Of this file itself, and not of one that it names.
bool fails_so(const std::string& path, const std::error_code& error) {
  if (error == std::errc::operation_not_permitted) return is_block_device(path);
  const int access = error == std::errc::read_only_file_system ? W_OK : R_OK;
  return ::access(path.c_str(), access) != 0 && errno == error.value();
}

}  // namespace

const Mount* Sandbox::mount_of(const std::string& path) const {
  const Mount* found = nullptr;
  for (const Mount& mount : mounts_) {
    if (!mount.holds(path)) continue;
    if (found == nullptr || mount.point.size() >= found->point.size()) found = &mount;
  }
  return found;
}

std::optional<std::string> Sandbox::why_not(const std::string& path,
                                            const std::error_code& error) const {
  const Mount* mount = mount_of(path);
  if (mount == nullptr) return std::nullopt;
  const std::string directory = directory_of(path);
  if (mount->root.starts_with("/systemd/inaccessible/")) {
    const bool home =
        mount->point == "/home" || mount->point == "/root" || mount->point == "/run/user";
    if (!home) return "hidden from the service by InaccessiblePaths=" + mount->point;
    return "hidden from the service by ProtectHome=: " +
           drop_in("home", "ProtectHome=no\\nReadWritePaths=" + directory);
  }
  if (mount->root.find("/systemd-private-") != std::string::npos) {
    return "hidden from the service by PrivateTmp=: move it elsewhere, or " +
           drop_in("tmp", "PrivateTmp=no\\nReadWritePaths=" + directory);
  }
  if (mount->point == "/dev" && mount->type == "tmpfs" && error.value() == ENOENT) {
    return "hidden from the service by PrivateDevices=: " + show_device(path);
  }
  if (error.value() == EPERM && is_block_device(path)) {
    return "kept from the service by DeviceAllow=: " + show_device(path);
  }
  // Of a file system that can be written elsewhere.
  if (error.value() == EROFS && has_option(mount->options, "ro") &&
      has_option(mount->file_system_options, "rw")) {
    return "read-only for the service (ProtectSystem=): attach it with mode r, or " +
           drop_in("more-images", "ReadWritePaths=" + directory);
  }
  return std::nullopt;
}

DiskOpener explaining(Sandbox sandbox, DiskOpener open) {
  return [sandbox = std::move(sandbox), open = std::move(open)](const OpenRequest& request) {
    try {
      return open(request);
    } catch (const std::system_error& error) {
      const std::string& path = request.spec.path;
      const auto reason =
          fails_so(path, error.code()) ? sandbox.why_not(path, error.code()) : std::nullopt;
      if (!reason) throw;
      throw std::system_error(error.code(), fmt::format("open {} ({})", path, *reason));
    }
  };
}

}  // namespace tapring
