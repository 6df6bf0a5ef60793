// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>

#include "formats/create_options.h"
#include "formats/qcow2/bytes/header.h"
#include "formats/qcow2/offline/file_writer.h"
#include "ring/open_file.h"

namespace tapring::qcow2 {

/// What an image is to be.
struct NewImage {
  /// Version, sizes, compression, names and feature bits. The places of its tables are not set yet.
  Header header;
  /// Each cluster of the disk gets its place in the file now.
  bool preallocated = false;
};

/// Why there can be no such image, or none that is served here; nullopt if it can be.
std::optional<std::string> why_not(const NewImage& image);

/// Makes the empty file such an image, durably; the caller has asked why_not(). Throws
/// std::system_error.
void write_new_image(OpenFile& file, FileWriter& writer, const NewImage& image,
                     const CreateProgress& progress);

/// As of `tapring image create`, by what is typed there.
std::optional<std::string> why_not(const CreateOptions& options);
void create(OpenFile& file, const CreateOptions& options, const CreateProgress& progress);

}  // namespace tapring::qcow2
