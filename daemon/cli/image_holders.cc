// SPDX-License-Identifier: MIT
#include "daemon/cli/image_holders.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ostream.h>
#include <fmt/ranges.h>

#include <boost/json.hpp>
#include <cerrno>
#include <filesystem>
#include <ostream>
#include <system_error>

#include "formats/printable.h"
#include "ring/file_lock.h"
#include "ring/open_file.h"
#include "ring/unique_fd.h"

namespace tapring {
namespace {

namespace json = boost::json;

bool is_daemon(const LockHolder& holder) {
  return holder.name == "tapringd";
}

}  // namespace

ImageHolders image_holders(const std::string& path, const std::vector<DiskReport>& disks) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!fd) {
    const int error = errno;
    throw std::system_error(error, std::system_category(),
                            "open " + path + " for reading (" + remedy_for_opening(error) + ")");
  }
  ImageHolders holders;
  holders.who = lock_holders(fd.get());
  try {
    holders.locked = !holders.who.processes.empty() || lock_is_held(fd.get(), {});
  } catch (const std::system_error& error) {
    throw std::system_error(error.code(), "look at the lock of " + path + " (" +
                                              remedy_for_locking(error.code()) + ")");
  }
  for (const DiskReport& disk : disks) {
    std::error_code absent;
    if (holds_image(disk) && std::filesystem::equivalent(unescaped(disk.path), path, absent)) {
      holders.disks.push_back(disk.disk);
    }
  }
  return holders;
}

void check_unused(const std::string& path) {
  const LockHolders who = image_holders(path, {}).who;
  if (!who.processes.empty()) throw FileInUse(path, {}, who);
}

json::object to_json(const ImageHolders& holders) {
  json::array processes;
  for (const LockHolder& holder : holders.who.processes) {
    json::object process{{"pid", holder.pid}, {"name", holder.name}};
    if (is_daemon(holder)) process["disks"] = json::value_from(holders.disks);
    processes.push_back(std::move(process));
  }
  return {{"ok", true},
          {"locked", holders.locked},
          {"this_host", holders.locked && holders.who.on_this_host},
          {"holders", std::move(processes)}};
}

void print(const ImageHolders& holders, std::ostream& out) {
  if (!holders.locked) {
    fmt::print(out, "nobody\n");
  } else if (holders.who.processes.empty()) {
    fmt::print(out, "{}\n",
               holders.who.on_this_host ? "a process that cannot be seen" : "another host");
  }
  for (const LockHolder& holder : holders.who.processes) {
    fmt::print(out, "{}, pid {}", printable(holder.name), holder.pid);
    if (is_daemon(holder) && !holders.disks.empty()) {
      fmt::print(out, ": disk {}", printable(fmt::format("{}", fmt::join(holders.disks, ", "))));
    }
    fmt::print(out, "\n");
  }
}

}  // namespace tapring
