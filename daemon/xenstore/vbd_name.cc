// SPDX-License-Identifier: MIT
#include "daemon/xenstore/vbd_name.h"

#include <fmt/format.h>

#include <limits>

#include "daemon/host/decimal.h"

namespace tapring {
namespace {

/// Takes the part before the next separator off the front of `path`.
std::string_view next_part(std::string_view& path, char separator) {
  const std::string_view part = path.substr(0, path.find(separator));
  path.remove_prefix(part.size() == path.size() ? part.size() : part.size() + 1);
  return part;
}

std::optional<VbdName> take_name(std::string_view& path, char separator) {
  VbdName name;
  name.kind = next_part(path, separator);
  const auto domain = parse_decimal(next_part(path, separator));
  const auto device = parse_decimal(next_part(path, separator));
  if (!domain || !device || *domain > std::numeric_limits<DomainId>::max()) return std::nullopt;
  name.domain = static_cast<DomainId>(*domain);
  name.device = *device;
  return name;
}

}  // namespace

std::string VbdName::backend_path(DomainId backend) const {
  return fmt::format("{}/{}/{}/{}", backend_root(backend), kind, domain, device);
}

std::string VbdName::sysfs_name() const { return fmt::format("{}-{}-{}", kind, domain, device); }

std::string backend_root(DomainId backend) {
  return fmt::format("/local/domain/{}/backend", backend);
}

std::optional<VbdName> parse_vbd_path(std::string_view path, DomainId backend) {
  const std::string root = backend_root(backend) + "/";
  if (!path.starts_with(root)) return std::nullopt;
  path.remove_prefix(root.size());
  return take_name(path, '/');
}

std::optional<VbdName> parse_sysfs_name(std::string_view name) {
  const auto found = take_name(name, '-');
  return name.empty() ? found : std::nullopt;
}

}  // namespace tapring
