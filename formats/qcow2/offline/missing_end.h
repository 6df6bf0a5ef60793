// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "formats/qcow2/bytes/layout.h"
#include "ring/open_file.h"

namespace tapring::qcow2 {

/// Looks whether the file was truncated, as by a copy that did not finish: then the map leads past
/// its end, and what was there reads as zeros. Once a guest's writes make the file longer, nothing
/// shows the loss any more; so a notice tells it when the image is opened. nullopt if nothing is
/// missing.
///
/// `data`: the data file, or `file` again. `l2_tables`: of the disk, all inside the file.
/// `refcount_table`: empty if it cannot be read. Reads at most kMostBytes of tables, and only a
/// refcount block of an image whose refcounts end with its file. Throws std::system_error.
std::optional<std::string> find_missing_end(const OpenFile& file, const OpenFile& data,
                                            const Layout& layout, std::vector<uint64_t> l2_tables,
                                            std::span<const uint64_t> refcount_table);

}  // namespace tapring::qcow2
