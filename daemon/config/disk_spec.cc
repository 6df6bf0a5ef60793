// SPDX-License-Identifier: MIT
#include "daemon/config/disk_spec.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <optional>

#include "formats/format.h"

namespace tapring {
namespace {

// Past the page cache: who wrote `tap:aio:` means it, and a guest has a cache of its own.
constexpr std::string_view kDefaultFormat = "aio";

constexpr std::string_view kOurScript = "block-tapring";
constexpr std::string_view kStockScript = "block";

std::string known_formats() {
  std::string names;
  for (const Format& format : all_formats()) {
    names += names.empty() ? "" : ", ";
    names += format.name;
  }
  return names;
}

/// Takes "driver:" off the front of `params`, if the driver is one of ours.
std::optional<std::string_view> peel_format(std::string_view& params) {
  const std::size_t colon = params.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view name = params.substr(0, colon);
  if (find_format(name) == nullptr) return std::nullopt;
  params.remove_prefix(colon + 1);
  return name;
}

std::string lower_case(std::string_view word) {
  std::string small(word);
  for (char& letter : small) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  }
  return small;
}

std::string_view file_name(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

}  // namespace

std::expected<DiskSpec, std::string> parse_disk_spec(std::string_view params) {
  std::string_view rest = params;
  std::string_view format = kDefaultFormat;
  if (const auto outer = peel_format(rest)) format = *outer;
  if (format == kDefaultFormat) {
    if (const auto inner = peel_format(rest)) format = *inner;
  }
  if (rest.empty()) return std::unexpected("params is empty: no image is named");
  if (rest.front() == '/') return DiskSpec{std::string(format), std::string(rest)};
  const std::size_t colon = rest.find(':');
  if (colon != std::string_view::npos && rest.find('/') > colon) {
    const std::string_view word = rest.substr(0, colon);
    const std::string_view path = rest.substr(colon + 1);
    if (word == "tap" || word == "file" || word == "phy") {
      const bool names_format = path.find(':') < path.find('/');
      return std::unexpected(
          fmt::format("'{}:' is of disk lines without script=: write target={}{}", word,
                      names_format ? "" : "aio:", path));
    }
    if (const std::string small = lower_case(word); find_format(small) != nullptr) {
      return std::unexpected(
          fmt::format("formats are written in lower case: write target={}:{}", small, path));
    }
    return std::unexpected(fmt::format("unknown driver '{}' in params '{}' (known: {})",
                                       rest.substr(0, colon), params, known_formats()));
  }
  return std::unexpected(fmt::format("'{}' is no absolute path (params '{}')", rest, params));
}

bool is_block_device(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 && S_ISBLK(status.st_mode);
}

bool uses_our_script(std::string_view script) {
  return file_name(script) == kOurScript;
}

Ownership ownership(std::string_view kind, std::string_view script, std::string_view params) {
  if (kind != "vbd") return Ownership::ours;
  if (uses_our_script(script)) return Ownership::ours;
  const bool stock = script.empty() || file_name(script) == kStockScript;
  return stock && params.starts_with('/') ? Ownership::plain : Ownership::not_ours;
}

}  // namespace tapring
