// SPDX-License-Identifier: MIT
// What `tapring image info` says of an image and of those below it. Nothing is locked: an image
// that is in use may be asked about.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

#include "daemon/cli/image_holders.h"
#include "formats/image_description.h"

namespace tapring {

struct ImageInfo {
  std::string path;
  std::string format;
  uint64_t allocated_bytes = 0;  ///< of the storage, by the image's own file
  ImageHolders holders;
  bool served = true;  ///< there is a driver for the format
  /// Where there is none: the file's size as that of the disk.
  ImageDescription description;
};

/// What format_by_signature() says, or "raw". A guest can write any bytes into a
/// raw image: this is for people to look at. Throws std::system_error.
std::string format_by_content(const std::string& path);

/// `format`: empty for what the content says. Throws std::system_error, and std::runtime_error
/// where there is none of that name.
ImageInfo image_info(const std::string& path, const std::string& format);

/// The image and its backing files, from the top. They stop where one states no format; `problem`
/// says so then, or why the next cannot be read.
struct ImageChain {
  std::vector<ImageInfo> images;
  std::string problem;
};

/// `backing_formats`: those of the backing files of qcow images, which cannot state them, from the
/// top.
ImageChain image_chain(const std::string& path, const std::string& format,
                       const std::vector<std::string>& backing_formats);

boost::json::object to_json(const ImageInfo& info);

void print(const ImageInfo& info, std::ostream& out);

}  // namespace tapring
