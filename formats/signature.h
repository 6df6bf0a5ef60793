// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>

#include "ring/open_file.h"

namespace tapring {

/// The format that the first bytes of a file are of, as QEMU names it where it has a driver: qcow2,
/// qcow, vpc (VHD), vmdk, vdi, vhdx, qed, gzip or xz; nullopt if of none of these, or if the file
/// cannot be read. A guest can write any bytes into a raw image: this tells people, and decides
/// nothing.
std::optional<std::string> format_by_signature(const OpenFile& file);

}  // namespace tapring
