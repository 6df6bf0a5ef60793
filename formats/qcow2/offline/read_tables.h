// SPDX-License-Identifier: MIT
// What an image's header leads to, read while the image is not in use: this blocks, and throws
// std::system_error with the file's name and what is wrong with it.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "formats/qcow2/bytes/bitmap_directory.h"
#include "formats/qcow2/bytes/header.h"
#include "formats/qcow2/bytes/snapshot_table.h"
#include "ring/open_file.h"

namespace tapring::qcow2 {

/// Refuses an encrypted image, which is not served.
Header read_header(const OpenFile& file);

/// As read_header(), but also of an encrypted image.
Header peek_header(const OpenFile& file);

/// Rejects nothing: the table's `faults` say what is wrong with it.
SnapshotTable read_snapshots(const OpenFile& file, const Header& header);

/// The bitmaps of a header that has their extension, or what is wrong with their directory.
std::expected<std::vector<Bitmap>, std::string> read_bitmaps(const OpenFile& file,
                                                             const Header& header);

/// The entries of the refcount table, or why it cannot be followed.
std::expected<std::vector<uint64_t>, std::string> read_refcount_table(const OpenFile& file,
                                                                      const Header& header);

}  // namespace tapring::qcow2
