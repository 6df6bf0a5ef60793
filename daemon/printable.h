// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

namespace tapring {

/// `text` on one line and without control characters: each becomes \xNN. What guests and toolstacks
/// write into xenstore ends up in logs and on terminals.
std::string printable(std::string_view text);

}  // namespace tapring
