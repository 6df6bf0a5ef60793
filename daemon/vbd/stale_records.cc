// SPDX-License-Identifier: MIT
#include "daemon/vbd/stale_records.h"

#include "daemon/xenstore/vbd_name.h"

namespace tapring {

bool is_stale_record(Xenstore& store, DomainId backend, const std::string& disk) {
  const auto name = parse_sysfs_name(disk);
  return !name || !store.read(name->backend_path(backend) + "/frontend").has_value();
}

}  // namespace tapring
