// SPDX-License-Identifier: MIT
// What a node's `params` asks for, and whether that is ours to serve.
#pragma once

#include <expected>
#include <string>
#include <string_view>

namespace tapring {

struct DiskSpec {
  std::string format;  ///< a name of formats/format
  std::string path;    ///< absolute
};

/// Who serves a node of kind vbd, where xen-blkback is at home too.
enum class Ownership {
  ours,
  unless_block_device,  ///< a path without a driver: regular files are ours, devices the kernel's
  not_ours,
};

/// Reads `params` as libxl writes it: "/path", "driver:/path", and "aio:driver:/path", which is
/// what libxl makes of backendtype=tap,target=driver:/path. The error says what is wrong with it.
std::expected<DiskSpec, std::string> parse_disk_spec(std::string_view params);

/// Whether a node's hotplug script is block-tapring, which waits for our verdict on the image.
bool uses_our_script(std::string_view script);

/// `script`: the node's hotplug script, empty if it has none.
Ownership ownership(std::string_view kind, std::string_view script, std::string_view params);

}  // namespace tapring
