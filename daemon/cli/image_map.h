// SPDX-License-Identifier: MIT
// What `tapring image map` says: where the bytes of a disk are.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace tapring {

/// A range of the disk whose bytes are all of one kind.
struct MappedExtent {
  uint64_t start = 0;
  uint64_t bytes = 0;
  std::size_t depth = 0;  ///< of the image that has it: 0 is the top
  /// data, compressed, zero, unallocated (in all images that were looked at), or invalid
  const char* kind = "unallocated";
  std::optional<uint64_t> offset;  ///< of its data in that image's file, or data file
};

/// `act` for each extent of the disk, in order. The image is not locked. With `chain` its backing
/// files are looked at too, whose formats must be stated, or be `backing_formats`: see
/// image_chain(). `format`: empty for what the content says. Throws std::system_error, and
/// std::runtime_error that says what is wrong with the image or its chain.
void map_image(const std::string& path, const std::string& format, bool chain,
               const std::vector<std::string>& backing_formats,
               const std::function<void(const MappedExtent&)>& act);

}  // namespace tapring
