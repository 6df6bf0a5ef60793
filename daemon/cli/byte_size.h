// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace tapring {

/// A number of bytes as people write it: 4096, 64K, 1.5G, 10GiB. Units are of 1024, from K to E, in
/// either case; a fraction of a byte is dropped. nullopt
/// if the text is no such number, or if it does not fit in 64 bits.
std::optional<uint64_t> parse_byte_size(std::string_view text);

}  // namespace tapring
