// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ring/open_file.h"

namespace tapring {

/// The format that the first bytes of a file are of, as QEMU names it where it has a driver: qcow2,
/// qcow, vpc (VHD), vmdk, vdi, vhdx, qed, luks; or gzip, xz, zstd, bzip2, or tar, which an OVA is;
/// nullopt if of none of these, or if the file cannot be read. A guest can write any bytes into a
/// raw image: this tells people, and decides nothing.
std::optional<std::string> format_by_signature(const OpenFile& file);

/// What makes an image that can be served of a file of one of these formats that has no driver.
std::string how_to_serve(std::string_view format, const std::string& path);

}  // namespace tapring
