// SPDX-License-Identifier: MIT
#include "daemon/vbd/remote_neighbours.h"

#include <string>
#include <system_error>

#include "daemon/host/decimal.h"

namespace tapring {

uint64_t RemoteNeighbours::disks_elsewhere(uint64_t own) try {
  const Message result = control_.call(Verb::disks_elsewhere, {std::to_string(own)});
  return parse_decimal<uint64_t>(result.words.empty() ? "" : result.words.front()).value_or(0);
} catch (const std::system_error&) {
  return 0;
}

void RemoteNeighbours::tell_empty(bool is_empty) {
  control_.tell(Verb::is_empty, {is_empty ? "1" : "0"});
}

}  // namespace tapring
