// SPDX-License-Identifier: MIT
// What an image's header leads to, read while the image is not in use: this blocks, and throws
// std::system_error with the file's name and what is wrong with it.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "formats/qcow2/header.h"
#include "formats/qcow2/snapshot_table.h"
#include "ring/open_file.h"

namespace tapring::qcow2 {

[[noreturn]] void refuse(const std::string& path, const std::string& reason);

/// Refuses an encrypted image, which is not served.
Header read_header(const OpenFile& file);

/// Of an encrypted image too.
Header look_at_header(const OpenFile& file);

/// Refuses nothing: what is wrong is among the faults of the table.
SnapshotTable read_snapshots(const OpenFile& file, const Header& header);

/// Whether the file has a table; its last cluster need not be whole.
bool is_inside(const OpenFile& file, const Layout& layout, uint64_t offset,
               uint64_t bytes) noexcept;

/// Only of tables that the file has room for, so that no header makes us hold more. `what` is
/// named where it has not.
void check_inside(const OpenFile& file, const Layout& layout, const std::string& what,
                  uint64_t offset, uint64_t bytes);

/// Of `entries` words. check_inside() comes first.
std::vector<uint64_t> read_table(const OpenFile& file, uint64_t offset, uint64_t entries);

/// Or why there is none that can be followed.
std::expected<std::vector<uint64_t>, std::string> read_refcount_table(const OpenFile& file,
                                                                      const Header& header);

}  // namespace tapring::qcow2
