// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

namespace tapring::sim {

/// What a qcow2 image is to be.
struct Qcow2Plan {
  uint64_t disk_bytes = 0;
  uint32_t cluster_bits = 9;  ///< as it is, each discard is of whole clusters
  std::string base{};         ///< the path of its backing file, which is raw; empty: it has none
};

/// Makes the empty file such an image.
void make_qcow2(const std::string& path, const Qcow2Plan& plan);

/// What our own check finds in an image that nobody has open.
struct Qcow2Findings {
  std::string corruption;  ///< the first; empty if there is none
  uint64_t leaks = 0;      ///< in clusters
};
Qcow2Findings check_qcow2(const std::string& path);

}  // namespace tapring::sim
