// SPDX-License-Identifier: MIT
#include "daemon/cli/image_info.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ostream.h>
#include <fmt/ranges.h>
#include <sys/stat.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <cstring>
#include <deque>
#include <filesystem>
#include <ostream>
#include <sstream>
#include <system_error>

#include "daemon/cli/ctl_pages.h"
#include "daemon/cli/ctl_table.h"
#include "formats/backing_file.h"
#include "formats/format.h"
#include "formats/printable.h"
#include "formats/signature.h"

namespace tapring {
namespace {

namespace json = boost::json;

OpenFile open_to_look(const std::string& path) {
  FileOptions options;
  options.path = path;
  options.read_only = true;
  options.lock.sharing = Sharing::unlocked;
  return open_file(options);
}

uint64_t taken_bytes(const OpenFile& file) {
  struct stat status{};
  if (::fstat(file.fd.get(), &status) != 0) {
    throw std::system_error(errno, std::system_category(), "fstat " + file.path);
  }
  return static_cast<uint64_t>(status.st_blocks) * 512;
}

/// Of a format of which no more than this is told.
uint64_t disk_bytes_of(const std::string& path, const std::string& format) {
  const Format* driver = find_format(format);
  if (driver == nullptr) {
    throw std::system_error(EINVAL, std::system_category(),
                            path + ": there is no driver for the format " + escaped(format));
  }
  ImageOptions options;
  options.path = path;
  options.read_only = true;
  options.locked = false;
  options.purpose = Purpose::probe;
  return driver->open(options)->geometry().size_bytes;
}

json::array json_of(const std::vector<qcow2::Snapshot>& snapshots) {
  json::array list;
  for (const qcow2::Snapshot& snapshot : snapshots) {
    json::value size;
    if (snapshot.size_bytes) size = *snapshot.size_bytes;
    list.push_back({{"id", snapshot.id},
                    {"name", snapshot.name},
                    {"date_seconds", snapshot.date_seconds},
                    {"size_bytes", size},
                    {"guest_state_bytes", snapshot.guest_state_bytes},
                    {"guest_clock_ns", snapshot.guest_clock_ns}});
  }
  return list;
}

std::vector<std::string> words_of(const qcow2::Bitmap& bitmap) {
  std::vector<std::string> words;
  if ((bitmap.flags & qcow2::Bitmap::kInUse) != 0) words.emplace_back("in use");
  if ((bitmap.flags & qcow2::Bitmap::kAuto) != 0) words.emplace_back("auto");
  return words;
}

json::array json_of(const std::vector<qcow2::Bitmap>& bitmaps) {
  json::array list;
  for (const qcow2::Bitmap& bitmap : bitmaps) {
    list.push_back({{"name", bitmap.name},
                    {"granularity_bytes", uint64_t{1} << bitmap.granularity_bits},
                    {"flags", json::value_from(words_of(bitmap))}});
  }
  return list;
}

json::value text_or_null(const std::optional<std::string>& text) {
  return text ? json::value(*text) : json::value();
}

const char* name_of(qcow2::Compression compression) {
  return compression == qcow2::Compression::zstd ? "zstd" : "zlib";
}

json::value encryption_of(uint32_t method) {
  return method == 0 ? json::value() : json::value(qcow2::crypt_name(method));
}

void add(const qcow2::Description& description, json::object& object) {
  const qcow2::Header& header = description.header;
  object["version"] = header.layout.version;
  object["cluster_bytes"] = header.layout.cluster_bytes();
  object["refcount_bits"] = header.layout.refcount_bits();
  object["compression"] = name_of(header.compression);
  object["encryption"] = encryption_of(header.crypt_method);
  object["features"] = json::value_from(feature_names(header));
  object["dirty"] = (header.incompatible & qcow2::Feature::kDirty) != 0;
  object["corrupt"] = (header.incompatible & qcow2::Feature::kCorrupt) != 0;
  object["backing_file"] = text_or_null(header.backing_name);
  object["backing_format"] = text_or_null(header.backing_format);
  object["data_file"] = text_or_null(header.data_file);
  object["snapshots"] = json_of(description.snapshots);
  object["bitmaps"] = json_of(description.bitmaps);
  object["bitmaps_kept"] = description.bitmaps_kept;
  object["troubles"] = json::value_from(description.troubles);
}

void add(const qcow::Description& description, json::object& object) {
  object["version"] = description.header.layout.version;
  object["cluster_bytes"] = description.header.layout.cluster_bytes();
  object["encryption"] = encryption_of(description.header.crypt_method);
  object["backing_file"] = text_or_null(description.backing_name);
  object["troubles"] = json::value_from(description.troubles);
}

void print_line(std::ostream& out, std::string_view name, const std::string& value) {
  fmt::print(out, "{:<16} {}\n", name, printable(value));
}

std::string words_of(const ImageHolders& holders) {
  std::ostringstream lines;
  print(holders, lines);
  std::string text = lines.str();
  if (!text.empty()) text.pop_back();
  for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos;) {
    text.replace(at, 1, "; ");
  }
  return text;
}

void print_snapshots(const qcow2::Description& description, std::ostream& out) {
  if (description.snapshots.empty()) return;
  using Align = Table::Align;
  Table table({{"SNAPSHOT", Align::left},
               {"NAME", Align::left},
               {"DATE", Align::left},
               {"DISK", Align::right},
               {"GUEST STATE", Align::right}});
  for (const qcow2::Snapshot& snapshot : description.snapshots) {
    const auto date = static_cast<std::time_t>(snapshot.date_seconds);
    table.add({{snapshot.id},
               {snapshot.name},
               {fmt::format("{:%F %T} UTC", fmt::gmtime(date))},
               {human_bytes(snapshot.size_bytes.value_or(description.header.layout.size_bytes))},
               {human_bytes(snapshot.guest_state_bytes)}});
  }
  table.print(out, false);
}

void print_bitmaps(const qcow2::Description& description, std::ostream& out) {
  if (!description.bitmaps_kept) {
    print_line(out, "bitmaps", "not those of the disk any more");
  }
  for (const qcow2::Bitmap& bitmap : description.bitmaps) {
    const std::vector<std::string> words = words_of(bitmap);
    print_line(out, "bitmap",
               fmt::format("{} ({} each{}{})", bitmap.name,
                           human_bytes(uint64_t{1} << bitmap.granularity_bits),
                           words.empty() ? "" : ", ", fmt::join(words, ", ")));
  }
}

void print_encryption(uint32_t method, std::ostream& out) {
  if (method != 0) print_line(out, "encryption", qcow2::crypt_name(method));
}

void print(const qcow2::Description& description, std::ostream& out) {
  const qcow2::Header& header = description.header;
  print_line(out, "version", fmt::format("{}", header.layout.version));
  print_line(out, "cluster size", human_bytes(header.layout.cluster_bytes()));
  print_line(out, "refcount bits", fmt::format("{}", header.layout.refcount_bits()));
  print_line(out, "compression", name_of(header.compression));
  print_encryption(header.crypt_method, out);
  const std::vector<std::string> features = feature_names(header);
  print_line(out, "features",
             features.empty() ? "-" : fmt::format("{}", fmt::join(features, ", ")));
  if (header.backing_name) {
    print_line(out, "backing file", *header.backing_name);
    print_line(out, "backing format", header.backing_format.value_or("not stated"));
  }
  if (header.data_file) print_line(out, "data file", *header.data_file);
  print_bitmaps(description, out);
  for (const std::string& trouble : description.troubles) print_line(out, "trouble", trouble);
  print_snapshots(description, out);
}

void print(const qcow::Description& description, std::ostream& out) {
  print_line(out, "version", fmt::format("{}", description.header.layout.version));
  print_line(out, "cluster size", human_bytes(description.header.layout.cluster_bytes()));
  print_encryption(description.header.crypt_method, out);
  if (description.backing_name) print_line(out, "backing file", *description.backing_name);
  for (const std::string& trouble : description.troubles) print_line(out, "trouble", trouble);
}

struct Backing {
  std::string name;
  std::optional<std::string> format;
};

/// A qcow image has no place for the format: it is the next one of `formats`, which are given.
std::optional<Backing> backing_of(const ImageInfo& info, std::deque<std::string>& formats) {
  if (info.qcow2 && info.qcow2->header.backing_name) {
    return Backing{*info.qcow2->header.backing_name, info.qcow2->header.backing_format};
  }
  if (!info.qcow || !info.qcow->backing_name) return std::nullopt;
  Backing backing{*info.qcow->backing_name, std::nullopt};
  if (!formats.empty()) {
    backing.format = std::move(formats.front());
    formats.pop_front();
  }
  return backing;
}

}  // namespace

std::string format_by_content(const std::string& path) {
  return format_by_signature(open_to_look(path)).value_or("raw");
}

ImageInfo image_info(const std::string& path, const std::string& format) {
  ImageInfo info;
  info.path = path;
  info.format = format.empty() ? format_by_content(path) : format;
  const OpenFile file = open_to_look(path);
  info.taken_bytes = taken_bytes(file);
  if (info.format == "qcow2") {
    info.qcow2 = qcow2::describe(file);
    info.size_bytes = info.qcow2->header.layout.size_bytes;
  } else if (info.format == "qcow") {
    info.qcow = qcow::describe(file);
    info.size_bytes = info.qcow->header.layout.size_bytes;
  } else if (info.format == "raw" || info.format == "aio" ||
             (format.empty() && find_format(info.format) == nullptr)) {
    info.size_bytes = file.size_bytes;
  } else {
    info.size_bytes = disk_bytes_of(path, info.format);
  }
  info.holders = image_holders(path, {});
  return info;
}

ImageChain image_chain(const std::string& path, const std::string& format,
                       const std::vector<std::string>& backing_formats) {
  ImageChain chain{{image_info(path, format)}, {}};
  std::vector<std::string> seen{std::filesystem::weakly_canonical(path).string()};
  std::deque<std::string> formats(backing_formats.begin(), backing_formats.end());
  while (const auto backing = backing_of(chain.images.back(), formats)) {
    ImageOptions above;
    above.path = chain.images.back().path;
    try {
      const std::string below = path_named_by(above, backing->name);
      seen.push_back(std::filesystem::weakly_canonical(below).string());
      if (std::ranges::count(seen, seen.back()) > 1 || seen.size() > kMaxChain) {
        chain.trouble = "the backing files lead back to " + below + ", or are too many";
      } else if (!backing->format) {
        chain.trouble = "the format of the backing file " + below + " is not stated";
        if (chain.images.back().qcow) chain.trouble += " (state it: --backing-format FORMAT)";
      } else {
        chain.images.push_back(image_info(below, *backing->format));
        continue;
      }
    } catch (const std::system_error& error) {
      chain.trouble = error.what();
    }
    break;
  }
  return chain;
}

json::object to_json(const ImageInfo& info) {
  json::object holders = to_json(info.holders);
  holders.erase("ok");
  json::object object{{"path", info.path},
                      {"format", info.format},
                      {"size_bytes", info.size_bytes},
                      {"taken_bytes", info.taken_bytes},
                      {"lock", std::move(holders)}};
  if (info.qcow2) add(*info.qcow2, object);
  if (info.qcow) add(*info.qcow, object);
  return object;
}

void print(const ImageInfo& info, std::ostream& out) {
  print_line(out, "image", info.path);
  print_line(out, "format", info.format);
  print_line(out, "size",
             fmt::format("{} ({} bytes)", human_bytes(info.size_bytes), info.size_bytes));
  print_line(out, "taken", human_bytes(info.taken_bytes));
  print_line(out, "in use by", words_of(info.holders));
  if (info.qcow2) print(*info.qcow2, out);
  if (info.qcow) print(*info.qcow, out);
}

}  // namespace tapring
