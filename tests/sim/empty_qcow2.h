// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

namespace tapring::sim {

/// Makes the empty file a qcow2 image of an empty disk, with clusters of one sector: each discard
/// is of whole ones.
void make_qcow2(const std::string& path, uint64_t disk_bytes);

}  // namespace tapring::sim
