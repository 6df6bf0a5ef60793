// SPDX-License-Identifier: MIT
#include "tests/sim/qcow2_image.h"

#include <system_error>

#include "formats/clusters/blocking_io.h"
#include "formats/qcow2/offline/check.h"
#include "formats/qcow2/offline/create.h"

namespace tapring::sim {

void make_qcow2(const std::string& path, const Qcow2Plan& plan) {
  FileOptions options;
  options.path = path;
  OpenFile file = open_file(options);
  qcow2::FileWriter writer(file);
  qcow2::NewImage image;
  image.header.layout.version = 3;
  image.header.layout.cluster_bits = plan.cluster_bits;
  image.header.layout.size_bytes = plan.disk_bytes;
  if (!plan.base.empty()) {
    image.header.backing_name = plan.base;
    image.header.backing_format = "raw";
  }
  write_new_image(file, writer, image, [](uint64_t, uint64_t) {});
}

Qcow2Findings check_qcow2(const std::string& path) {
  ImageOptions options;
  options.path = path;
  options.read_only = true;
  try {
    const ImageCheck check = qcow2::check_image(open_host_file(options, path), {});
    Qcow2Findings found{{}, check.findings.leaks()};
    if (check.findings.corruptions() > 0) found.corruption = check.findings.texts().front();
    return found;
  } catch (const std::system_error& error) {
    return {error.what(), 0};
  }
}

}  // namespace tapring::sim
