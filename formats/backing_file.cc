// SPDX-License-Identifier: MIT
#include "formats/backing_file.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "formats/format.h"
#include "formats/printable.h"
#include "formats/reject.h"

namespace tapring {
namespace {

namespace fs = std::filesystem;

/// An image may state a format of any length; a message quotes so much of it.
constexpr std::size_t kMostQuoted = 64;

/// As in QEMU, a name that begins with letters and a colon names a protocol, and not a file.
std::string without_protocol(const ImageOptions& options, const std::string& name) {
  const std::size_t colon = name.find(':');
  if (colon == std::string::npos || name.find('/') < colon) return name;
  if (name.starts_with("file:")) return name.substr(colon + 1);
  reject(options.path, "it names " + escaped(name) +
                           ", which is no file (qemu-img rebase -u -b FILE "
                           "-F FORMAT " +
                           options.path + " names one)");
}

const Format& format_for(const ImageOptions& options, const std::string& name,
                         const std::optional<std::string>& stated) {
  // The command does not repeat the image's own words: nobody is to paste those into a shell.
  const std::string remedy = "qemu-img rebase -u -b FILE -F FORMAT " + options.path;
  if (!stated) {
    reject(options.path,
           "the format of its backing file " + escaped(name) +
               " is not stated, and guessing it would not be safe (state it: " + remedy + ")");
  }
  // Two drivers serve raw files. `aio` bypasses the page cache, as the overlay's driver does.
  const Format* format = find_format(*stated == "raw" ? "aio" : *stated);
  if (format == nullptr) {
    reject(options.path, "there is no driver for the format " + escaped(*stated, kMostQuoted) +
                             " of its backing file " + escaped(name) +
                             " (convert that: qemu-img "
                             "convert -O qcow2; then " +
                             remedy + ")");
  }
  return *format;
}

}  // namespace

std::string path_named_by(const ImageOptions& options, const std::string& name) {
  if (name.find('\0') != std::string::npos)
    reject(options.path, "it names a file with a zero byte");
  const fs::path path = without_protocol(options, name);
  return (fs::path(options.path).parent_path() / path).string();
}

std::system_error error_of_named(const ImageOptions& options, const std::string& what,
                                 const std::system_error& error) {
  if (!options.overlays.empty()) return error;
  std::string words = error.what();
  const std::string code = ": " + error.code().message();
  if (words.ends_with(code)) words.resize(words.size() - code.size());
  return {error.code(), options.path + ": " + what + ": " + words};
}

std::unique_ptr<OpenImage> open_backing_file(const ImageOptions& options, const Namer& namer,
                                             const std::string& name,
                                             const std::optional<std::string>& stated) {
  const Format& format = format_for(options, name, stated);
  ImageOptions backing = options;
  backing.path = path_named_by(options, name);
  backing.read_only = true;
  backing.named_by = namer;
  backing.overlays.push_back(fs::weakly_canonical(options.path).string());
  std::error_code told_when_it_is_opened;
  const std::string real = fs::weakly_canonical(backing.path, told_when_it_is_opened).string();
  if (std::ranges::find(backing.overlays, real) != backing.overlays.end()) {
    reject(options.path, "its backing files lead back to " + real);
  }
  if (backing.overlays.size() >= kMaxChain) {
    reject(options.path, "has " + std::to_string(kMaxChain) +
                             " images above it (qemu-img commit or "
                             "qemu-img convert shortens the chain)");
  }
  try {
    return format.open(backing);
  } catch (const std::system_error& error) {
    throw error_of_named(options, "its backing file", error);
  }
}

}  // namespace tapring
