// SPDX-License-Identifier: MIT
#include "formats/printable.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>

namespace tapring {
namespace {

constexpr std::string_view kEllipsis = "...";

struct Character {
  char32_t code;
  std::size_t bytes;
};

/// The character that `text` begins with; nullopt if that is not UTF-8 (RFC 3629, section 4).
std::optional<Character> first_of(std::string_view text) {
  const auto byte = [text](std::size_t i) { return static_cast<uint8_t>(text[i]); };
  if (byte(0) < 0x80) return Character{byte(0), 1};
  // The number of leading ones is the number of bytes.
  const std::size_t bytes = byte(0) >= 0xF0 ? 4 : byte(0) >= 0xE0 ? 3 : 2;
  if (byte(0) < 0xC2 || byte(0) > 0xF4 || text.size() < bytes) return std::nullopt;
  char32_t code = byte(0) & (0x7FU >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return std::nullopt;
    code = code << 6 | (byte(i) & 0x3FU);
  }
  constexpr std::array<char32_t, 5> kLeast = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  if (code < kLeast.at(bytes) || code > 0x10FFFF || surrogate) return std::nullopt;
  return Character{code, bytes};
}

/// It changes how the text around it is shown, or cannot be seen.
bool misleads(char32_t code) {
  struct Range {
    char32_t first;
    char32_t last;
  };
  constexpr std::array kRanges = {
      Range{0x00, 0x1F},     Range{0x7F, 0x9F},  // controls
      Range{0x061C, 0x061C}, Range{0x200E, 0x200F},
      Range{0x202A, 0x202E}, Range{0x2066, 0x2069},   // directions
      Range{0x2028, 0x2029},                          // separators of lines and paragraphs
      Range{0xFEFF, 0xFEFF}, Range{0xFFFE, 0xFFFF}};  // the byte order mark, and no characters
  return std::ranges::any_of(
      kRanges, [code](const Range& range) { return code >= range.first && code <= range.last; });
}

void append_in_hex(std::string& text, std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (const char c : bytes) {
    const auto byte = static_cast<uint8_t>(c);
    text += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 0xF]};
  }
}

enum class Backslash : uint8_t { kept, doubled };

std::string encode(std::string_view bytes, std::size_t most, Backslash backslash) {
  std::string text;
  text.reserve(bytes.size());
  std::size_t cut = 0;  // where it would be cut to have room for the ellipsis
  while (!bytes.empty()) {
    if (text.size() + kEllipsis.size() <= most) cut = text.size();
    const auto character = first_of(bytes);
    const std::string_view unit = bytes.substr(0, character ? character->bytes : 1);
    bytes.remove_prefix(unit.size());
    if (!character || misleads(character->code)) {
      append_in_hex(text, unit);
    } else {
      if (unit == "\\" && backslash == Backslash::doubled) text += '\\';
      text += unit;
    }
    if (text.size() > most) {
      text.resize(cut);
      return text.append(kEllipsis.substr(0, most));
    }
  }
  return text;
}

}  // namespace

std::string printable(std::string_view bytes, std::size_t most) {
  return encode(bytes, most, Backslash::kept);
}

std::string escaped(std::string_view bytes, std::size_t most) {
  return encode(bytes, most, Backslash::doubled);
}

std::string unescaped(std::string_view text) {
  constexpr std::size_t kHexUnit = 4;  // \xNN
  std::string bytes;
  bytes.reserve(text.size());
  while (!text.empty()) {
    uint8_t byte = 0;
    const char* end = text.data() + std::min(kHexUnit, text.size());
    if (text.starts_with("\\x") && text.size() >= kHexUnit &&
        std::from_chars(text.data() + 2, end, byte, 16).ptr == end) {
      bytes += static_cast<char>(byte);
      text.remove_prefix(kHexUnit);
      continue;
    }
    if (text.starts_with("\\\\")) text.remove_prefix(1);
    bytes += text.front();
    text.remove_prefix(1);
  }
  return bytes;
}

}  // namespace tapring
