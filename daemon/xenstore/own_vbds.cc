// SPDX-License-Identifier: MIT
#include "daemon/xenstore/own_vbds.h"

#include <fmt/format.h>

#include <stdexcept>

#include "daemon/host/decimal.h"

namespace tapring {

DomainId own_domain(Xenstore& store) {
  if (const auto own = parse_decimal<DomainId>(store.read("domid").value_or(""))) return *own;
  throw std::runtime_error(
      "xenstore does not say which domain this is (key domid): systemctl start xen-init-dom0");
}

std::vector<VbdName> list_vbds(Xenstore& store, DomainId backend, const std::string& kind) {
  std::vector<VbdName> names;
  const std::string root = fmt::format("{}/{}", backend_root(backend), kind);
  for (const std::string& domain : store.list(root)) {
    for (const std::string& device : store.list(fmt::format("{}/{}", root, domain))) {
      const auto name = parse_vbd_path(fmt::format("{}/{}/{}", root, domain, device), backend);
      if (name) names.push_back(*name);
    }
  }
  return names;
}

}  // namespace tapring
