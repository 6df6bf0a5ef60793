// SPDX-License-Identifier: MIT
#include "daemon/cli/image_info.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ostream.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstring>
#include <deque>
#include <filesystem>
#include <ostream>
#include <sstream>
#include <stdexcept>

#include "daemon/cli/failure.h"
#include "daemon/cli/image_path.h"
#include "daemon/cli/pages.h"
#include "daemon/cli/table.h"
#include "formats/backing_file.h"
#include "formats/clusters/blocking_io.h"
#include "formats/format.h"
#include "formats/printable.h"
#include "formats/signature.h"

namespace tapring {
namespace {

namespace json = boost::json;

json::array json_of(const std::vector<ImageDescription::Snapshot>& snapshots) {
  json::array list;
  for (const ImageDescription::Snapshot& snapshot : snapshots) {
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

json::array json_of(const std::vector<ImageDescription::Bitmap>& bitmaps) {
  json::array list;
  for (const ImageDescription::Bitmap& bitmap : bitmaps) {
    list.push_back({{"name", bitmap.name},
                    {"granularity_bytes", bitmap.granularity_bytes},
                    {"flags", json::value_from(bitmap.flags)}});
  }
  return list;
}

json::value text_or_null(const std::optional<std::string>& text) {
  return text ? json::value(*text) : json::value();
}

void add(const ImageDescription& description, json::object& object) {
  if (!description.clusters) return;
  const ImageDescription::Clusters& clusters = *description.clusters;
  const std::optional<ImageDescription::Extensions>& extensions = description.extensions;
  object["version"] = clusters.version;
  object["cluster_bytes"] = clusters.cluster_bytes;
  if (extensions) {
    object["refcount_bits"] = extensions->refcount_bits;
    object["compression"] = extensions->compression;
  }
  object["encryption"] = text_or_null(clusters.encryption);
  if (extensions) {
    object["features"] = json::value_from(extensions->features);
    object["dirty"] = extensions->dirty;
    object["corrupt"] = extensions->corrupt;
  }
  object["backing_file"] = text_or_null(clusters.backing_file);
  if (extensions) {
    object["backing_format"] = text_or_null(extensions->backing_format);
    object["data_file"] = text_or_null(extensions->data_file);
    object["snapshots"] = json_of(extensions->snapshots);
    object["bitmaps"] = json_of(extensions->bitmaps);
    object["bitmaps_kept"] = extensions->bitmaps_kept;
  }
  object["troubles"] = json::value_from(clusters.troubles);
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

void print_snapshots(const std::vector<ImageDescription::Snapshot>& snapshots, uint64_t disk_bytes,
                     std::ostream& out) {
  if (snapshots.empty()) return;
  using Align = Table::Align;
  Table table({{"SNAPSHOT", Align::left},
               {"NAME", Align::left},
               {"DATE", Align::left},
               {"DISK", Align::right},
               {"GUEST STATE", Align::right}});
  for (const ImageDescription::Snapshot& snapshot : snapshots) {
    const auto date = static_cast<std::time_t>(snapshot.date_seconds);
    table.add({{snapshot.id},
               {snapshot.name},
               {fmt::format("{:%F %T} UTC", fmt::gmtime(date))},
               {human_bytes(snapshot.size_bytes.value_or(disk_bytes))},
               {human_bytes(snapshot.guest_state_bytes)}});
  }
  table.print(out, false);
}

void print_bitmaps(const ImageDescription::Extensions& extensions, std::ostream& out) {
  if (!extensions.bitmaps_kept) {
    print_line(out, "bitmaps", "not those of the disk any more");
  }
  for (const ImageDescription::Bitmap& bitmap : extensions.bitmaps) {
    print_line(out, "bitmap",
               fmt::format("{} ({} each{}{})", bitmap.name, human_bytes(bitmap.granularity_bytes),
                           bitmap.flags.empty() ? "" : ", ", fmt::join(bitmap.flags, ", ")));
  }
}

void print(const ImageDescription& description, std::ostream& out) {
  if (!description.clusters) return;
  const ImageDescription::Clusters& clusters = *description.clusters;
  const std::optional<ImageDescription::Extensions>& extensions = description.extensions;
  print_line(out, "version", fmt::format("{}", clusters.version));
  print_line(out, "cluster size", human_bytes(clusters.cluster_bytes));
  if (extensions) {
    print_line(out, "refcount bits", fmt::format("{}", extensions->refcount_bits));
    print_line(out, "compression", extensions->compression);
  }
  if (clusters.encryption) print_line(out, "encryption", *clusters.encryption);
  if (extensions) {
    const std::vector<std::string>& features = extensions->features;
    print_line(out, "features",
               features.empty() ? "-" : fmt::format("{}", fmt::join(features, ", ")));
  }
  if (clusters.backing_file) print_line(out, "backing file", *clusters.backing_file);
  if (extensions) {
    if (clusters.backing_file) {
      print_line(out, "backing format", extensions->backing_format.value_or("not stated"));
    }
    if (extensions->data_file) print_line(out, "data file", *extensions->data_file);
    print_bitmaps(*extensions, out);
  }
  for (const std::string& problem : clusters.troubles) print_line(out, "problem", problem);
  if (extensions) print_snapshots(extensions->snapshots, description.size_bytes, out);
}

struct Backing {
  std::string name;
  std::optional<std::string> format;
};

/// The format of the backing file is what the image states; one of a format that has no place for
/// that takes the next of `formats`, which are given.
std::optional<Backing> backing_of(const ImageDescription& description,
                                  std::deque<std::string>& formats) {
  if (!description.clusters || !description.clusters->backing_file) return std::nullopt;
  Backing backing{*description.clusters->backing_file, std::nullopt};
  if (description.extensions) {
    backing.format = description.extensions->backing_format;
  } else if (!formats.empty()) {
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
  info.allocated_bytes = allocated_bytes(file);
  if (const Format* driver = find_format(info.format)) {
    info.description = driver->describe(file);
  } else if (format.empty()) {
    info.served = false;
    info.description.size_bytes = file.size_bytes;
  } else {
    throw std::runtime_error(path + ": " + no_driver_for(format));
  }
  info.holders = image_holders(path, {});
  return info;
}

ImageChain image_chain(const std::string& path, const std::string& format,
                       const std::vector<std::string>& backing_formats) {
  ImageChain chain{{image_info(path, format)}, {}};
  std::vector<std::string> seen{std::filesystem::weakly_canonical(path).string()};
  std::deque<std::string> formats(backing_formats.begin(), backing_formats.end());
  while (const auto backing = backing_of(chain.images.back().description, formats)) {
    ImageOptions above;
    above.path = chain.images.back().path;
    try {
      const std::string below = path_named_by(above, backing->name);
      seen.push_back(std::filesystem::weakly_canonical(below).string());
      if (std::ranges::count(seen, seen.back()) > 1 || seen.size() > kMaxChain) {
        chain.problem = "the backing files lead back to " + below + ", or are too many";
      } else if (!backing->format) {
        chain.problem = "the format of the backing file " + below + " is not stated";
        if (!chain.images.back().description.extensions) {
          chain.problem += " (state it: --backing-format FORMAT)";
        }
      } else {
        chain.images.push_back(image_info(below, *backing->format));
        continue;
      }
    } catch (const std::runtime_error& error) {
      chain.problem = reason_of(error);
    }
    break;
  }
  return chain;
}

namespace {

std::string why_not_served(const ImageInfo& info) {
  return "tapring serves no " + info.format + " (" + how_to_serve(info.format, info.path) + ")";
}

}  // namespace

json::object to_json(const ImageInfo& info) {
  json::object holders = to_json(info.holders);
  holders.erase("ok");
  json::object object{{"path", info.path},
                      {"format", info.format},
                      {"size_bytes", info.description.size_bytes},
                      {"taken_bytes", info.allocated_bytes},
                      {"lock", std::move(holders)}};
  add(info.description, object);
  if (!info.served) {
    object["size_bytes"] = nullptr;
    object["troubles"] = json::array{json::value(why_not_served(info))};
  }
  return object;
}

void print(const ImageInfo& info, std::ostream& out) {
  print_line(out, "image", info.path);
  print_line(out, "format", info.format);
  print_line(out, info.served ? "size" : "file size",
             fmt::format("{} ({} bytes)", human_bytes(info.description.size_bytes),
                         info.description.size_bytes));
  print_line(out, "disk size", human_bytes(info.allocated_bytes));
  print_line(out, "in use by", words_of(info.holders));
  print(info.description, out);
  if (!info.served) print_line(out, "problem", why_not_served(info));
}

}  // namespace tapring
