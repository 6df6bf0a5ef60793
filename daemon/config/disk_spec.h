// SPDX-License-Identifier: MIT
// What a node's `params` asks for, and whether that is ours to serve.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/host/names.h"

namespace tapring {

struct DiskSpec {
  std::string format;  ///< a name of formats/format
  std::string path;    ///< absolute
};

/// What becomes of disks that both xen-blkback and we could serve.
enum class PlainLines : uint8_t {
  take,   ///< from it, where the image is a regular file that we may open
  leave,  ///< to it
};

template <>
inline constexpr std::array<const char*, 2> kNames<PlainLines> = {"take", "leave"};

/// Who serves a node of kind vbd, where xen-blkback is at home too.
enum class Ownership {
  ours,
  plain,  ///< a path without a driver: xen-blkback could serve it as well as we
  not_ours,
};

/// Reads `params` as libxl writes it: "/path", "driver:/path", and "aio:driver:/path", which is
/// what libxl makes of backendtype=tap,target=driver:/path. The error says what is wrong with it.
std::expected<DiskSpec, std::string> parse_disk_spec(std::string_view params);

/// Whether there is one at `path`. Blocks.
bool is_block_device(const std::string& path);

/// Whether a node's hotplug script is block-tapring, which waits for our verdict on the image.
bool uses_our_script(std::string_view script);

/// `script`: the node's hotplug script, empty if it has none.
Ownership ownership(std::string_view kind, std::string_view script, std::string_view params);

}  // namespace tapring
