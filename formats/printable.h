// SPDX-License-Identifier: MIT
// Bytes from guests, images and paths as text that logs, terminals, xenstore and JSON can take.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tapring {

/// `bytes` as valid UTF-8 on one line that shows what it is: each byte of a control character (C0,
/// DEL, C1), of a line or paragraph separator, of a mark that changes the direction of text, of a
/// byte order mark and of what is not UTF-8 becomes \xNN. Text that went through this before stays
/// as it is. For whole messages, on their way out.
/// The result has at most `most` bytes: longer text is cut between characters and ends in "...".
std::string printable(std::string_view bytes, std::size_t most = std::string_view::npos);

/// Likewise, for one value, and reversible: a backslash becomes two.
std::string escaped(std::string_view bytes, std::size_t most = std::string_view::npos);

/// The bytes that escaped() was given, if it did not cut them.
std::string unescaped(std::string_view text);

}  // namespace tapring
