// SPDX-License-Identifier: MIT
// What a qcow image's header leads to, read while the image is not in use: this blocks, and throws
// std::system_error with the file's name and what is wrong with it.
#pragma once

#include <optional>
#include <string>

#include "formats/clusters/cluster_map.h"
#include "formats/qcow/qcow_header.h"
#include "ring/open_file.h"

namespace tapring::qcow {

/// Refuses an encrypted image, which is not served.
Header read_header(const OpenFile& file);

/// Of an encrypted image too.
Header peek_header(const OpenFile& file);

/// In the byte order of this machine, each entry with the flag of a table that is the image's own.
ClusterMap::L1Table read_l1(const OpenFile& file, const Header& header);

/// As the image has it, which may be relative to the image; none if there is no backing file.
std::optional<std::string> read_backing_name(const OpenFile& file, const Header& header);

}  // namespace tapring::qcow
