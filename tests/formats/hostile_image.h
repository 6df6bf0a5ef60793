// SPDX-License-Identifier: MIT
// Images of tests that are damaged on purpose.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <string>

#include "formats/image.h"
#include "tests/daemon/temporary_directory.h"
#include "tests/formats/qemu.h"

namespace tapring {

ImageOptions read_only(const std::filesystem::path& path);

/// Why the driver of qcow2 refuses it; empty if it does not.
std::string refusal(const ImageOptions& options);

class HostileImage : public testing::Test {
 protected:
  /// A qcow2 image of 4 MiB. `options`: of qemu-img create.
  std::filesystem::path create(const std::string& name, const std::string& options);

  /// Puts `bytes` into the file.
  void patch(const std::filesystem::path& path, uint64_t offset, const std::string& bytes);

  TemporaryDirectory directory_{memory_directory()};
};

}  // namespace tapring
