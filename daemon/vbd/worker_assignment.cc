// SPDX-License-Identifier: MIT
#include "daemon/vbd/worker_assignment.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "daemon/config/disk_spec.h"
#include "daemon/host/decimal.h"
#include "daemon/host/fnv1a.h"
#include "daemon/xenstore/own_vbds.h"

namespace tapring {
namespace {

// Before the UUID of a guest, in a domain's key "vm" (libxl, docs/misc/xenstore-paths.pandoc).
constexpr std::string_view kGuests = "/vm/";

/// As libxl writes it. Whatever else is there makes no name of a file.
bool is_uuid(std::string_view text) {
  constexpr std::size_t kLength = 36;
  return text.size() == kLength && std::ranges::all_of(text, [](unsigned char c) {
    return std::isxdigit(c) != 0 || c == '-';
  });
}

/// A name that a person knows the directory by, and no other directory has.
std::string name_of_directory(const std::string& directory) {
  constexpr std::size_t kMostShown = 24;
  std::string shown = directory.substr(1, kMostShown);
  std::ranges::replace_if(
      shown, [](unsigned char c) { return std::isalnum(c) == 0 && c != '_' && c != '.'; }, '-');
  return fmt::format("storage-{}-{:08x}", shown, fnv1a(directory) & UINT32_MAX);
}

}  // namespace

std::optional<std::string> WorkerAssignment::assign(const VbdName& disk) {
  const auto worker = choose(disk);
  if (worker) workers_[disk] = *worker;
  return worker;
}

std::optional<std::string> WorkerAssignment::worker_of(const VbdName& disk) const {
  const auto known = workers_.find(disk);
  return known == workers_.end() ? choose(disk) : known->second;
}

bool WorkerAssignment::serves(const std::string& worker, DomainId domain) const {
  return std::ranges::any_of(workers_, [&](const auto& disk) {
    return disk.first.domain == domain && disk.second == worker;
  });
}

void WorkerAssignment::forget_but(
    const std::function<bool(const VbdName&, const std::string& worker)>& is_left) {
  std::erase_if(workers_, [&](const auto& disk) { return !is_left(disk.first, disk.second); });
}

std::optional<std::string> WorkerAssignment::choose(const VbdName& disk) const try {
  return isolation_ == Isolation::storage ? storage_of(disk) : guest_of(disk.domain);
} catch (const std::system_error&) {
  return std::nullopt;
}

/// A stub domain's disks are those of the guest whose device model it runs, with one image. A guest
/// that migrates on this host is two domains for a while, and the second takes the images over. So
/// both have one worker.
std::string WorkerAssignment::guest_of(DomainId domain) const {
  const auto key = [&](DomainId of, const char* name) {
    return store_.read(fmt::format("/local/domain/{}/{}", of, name)).value_or("");
  };
  const DomainId target = parse_decimal<DomainId>(key(domain, "target")).value_or(domain);
  const std::string uuid = key(target, "vm").erase(0, kGuests.size());
  return is_uuid(uuid) ? fmt::format("guest-{}", uuid) : fmt::format("domain-{}", target);
}

/// By the directory of the image, or that of a block device, so its volume group: as the line names
/// it. To ask the file system where that is might hang.
std::optional<std::string> WorkerAssignment::storage_of(const VbdName& disk) const {
  const auto params = store_.read(disk.backend_path(own_domain(store_)) + "/params");
  if (!params) return std::nullopt;
  const auto spec = parse_disk_spec(*params);
  if (!spec) return "storage-unknown";
  const std::filesystem::path path = std::filesystem::path(spec->path).lexically_normal();
  return name_of_directory(path.parent_path().string());
}

}  // namespace tapring
