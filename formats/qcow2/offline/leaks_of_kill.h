// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "formats/clusters/cluster_allocator.h"
#include "ring/open_file.h"

namespace tapring::qcow2 {

/// Clusters that a killed process left with a refcount and nothing that refers to them: whoever
/// writes to the image now may release them, once what is in the file is durable. Blocks, and the
/// guest waits meanwhile: none are looked for in an image of which much is to be read. None are
/// found in one with any other fault, or that cannot be read.
std::vector<HostRange> find_leaks_of_kill(const OpenFile& file) noexcept;

}  // namespace tapring::qcow2
