// SPDX-License-Identifier: MIT
#include "daemon/vbd/sandbox.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <ranges>
#include <sstream>
#include <string_view>
#include <utility>

#include "daemon/config/disk_spec.h"

namespace tapring {
namespace {

/// Of a field of mountinfo, where a space is \040.
std::string without_escapes(std::string_view field) {
  constexpr std::size_t kEscape = 4;
  std::string text;
  for (; !field.empty(); field.remove_prefix(1)) {
    if (field.front() == '\\' && field.size() >= kEscape) {
      text += static_cast<char>((field[1] - '0') << 6 | (field[2] - '0') << 3 | (field[3] - '0'));
      field.remove_prefix(kEscape - 1);
    } else {
      text += field.front();
    }
  }
  return text;
}

bool has_option(const std::string& options, std::string_view name) {
  return std::ranges::any_of(std::views::split(options, ','), [name](const auto& option) {
    return std::ranges::equal(option, name);
  });
}

bool is_below(std::string_view path, std::string_view directory) {
  if (directory == "/") return true;
  return path.starts_with(directory) &&
         (path.size() == directory.size() || path[directory.size()] == '/');
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

Sandbox::Sandbox(std::istream& mountinfo) {
  std::string line;
  while (std::getline(mountinfo, line)) {
    std::istringstream fields(line);
    std::string skipped;
    std::string root;
    std::string point;
    std::string options;
    std::string type;
    std::string super_options;
    fields >> skipped >> skipped >> skipped >> root >> point >> options;
    while (fields >> skipped && skipped != "-") continue;
    if (!(fields >> type >> skipped >> super_options)) continue;
    mounts_.push_back({without_escapes(point), without_escapes(root), type,
                       has_option(options, "ro"), has_option(super_options, "rw")});
  }
}

Sandbox Sandbox::of_this_process() {
  std::ifstream mountinfo("/proc/self/mountinfo");
  return Sandbox(mountinfo);
}

const Sandbox::Mount* Sandbox::mount_of(const std::string& path) const {
  const Mount* found = nullptr;
  for (const Mount& mount : mounts_) {
    if (!is_below(path, mount.point)) continue;
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
  if (error.value() == EROFS && mount->read_only && mount->writable_elsewhere) {
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
