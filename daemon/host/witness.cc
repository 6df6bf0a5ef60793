// SPDX-License-Identifier: MIT
#include "daemon/host/witness.h"

#include <fcntl.h>

#include <cerrno>

namespace tapring {

/// Waiting for the write-back of the first byte asks for it; a sync would first write everybody's
/// dirty pages.
Error ask_witness(const UniqueFd& witness) {
  const int result = ::sync_file_range(witness.get(), 0, 1, SYNC_FILE_RANGE_WAIT_BEFORE);
  return system_error_code(result == 0 ? 0 : errno);
}

}  // namespace tapring
