// SPDX-License-Identifier: MIT
#include "tests/sim/empty_qcow2.h"

#include "formats/qcow2/offline/create.h"

namespace tapring::sim {

void make_qcow2(const std::string& path, uint64_t disk_bytes) {
  FileOptions options;
  options.path = path;
  OpenFile file = open_file(options);
  qcow2::FileWriter writer(file);
  qcow2::NewImage image;
  image.header.layout.version = 3;
  image.header.layout.cluster_bits = 9;
  image.header.layout.size_bytes = disk_bytes;
  write_new_image(file, writer, image, [](uint64_t, uint64_t) {});
}

}  // namespace tapring::sim
