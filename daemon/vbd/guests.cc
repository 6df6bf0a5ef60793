// SPDX-License-Identifier: MIT
#include "daemon/vbd/guests.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <string_view>
#include <system_error>
#include <utility>

#include "daemon/host/decimal.h"

namespace tapring {
namespace {

// Before the UUID of a guest, in a domain's key "vm" (libxl, docs/misc/xenstore-paths.pandoc).
constexpr std::string_view kGuests = "/vm/";

/// Of a domain that does not tell which guest it is, or not to us.
std::string name_of_domain(DomainId domain) {
  return fmt::format("domain-{}", domain);
}

/// As libxl writes it. Whatever else is there makes no name of a file.
bool is_uuid(std::string_view text) {
  constexpr std::size_t kLength = 36;
  return text.size() == kLength && std::ranges::all_of(text, [](unsigned char c) {
    return std::isxdigit(c) != 0 || c == '-';
  });
}

}  // namespace

std::string Guests::worker_of(DomainId domain) {
  const auto known = workers_.find(domain);
  if (known != workers_.end()) return known->second;
  auto worker = read_worker(domain);
  if (!worker) return name_of_domain(domain);
  return workers_.emplace(domain, *std::move(worker)).first->second;
}

/// nullopt while there is no xenstore.
std::optional<std::string> Guests::read_worker(DomainId domain) try {
  const auto key = [&](DomainId of, const char* name) {
    return store_.read(fmt::format("/local/domain/{}/{}", of, name)).value_or("");
  };
  const DomainId target = parse_decimal<DomainId>(key(domain, "target")).value_or(domain);
  const std::string uuid = key(target, "vm").erase(0, kGuests.size());
  return is_uuid(uuid) ? fmt::format("guest-{}", uuid) : name_of_domain(target);
} catch (const std::system_error&) {
  return std::nullopt;
}

void Guests::forget(const std::function<bool(DomainId)>& has_disks) {
  std::erase_if(workers_, [&](const auto& worker) { return !has_disks(worker.first); });
}

}  // namespace tapring
