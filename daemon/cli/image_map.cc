// SPDX-License-Identifier: MIT
#include "daemon/cli/image_map.h"

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "daemon/cli/image_info.h"
#include "daemon/cli/image_path.h"
#include "formats/extent.h"
#include "formats/format.h"

namespace tapring {
namespace {

std::unique_ptr<ExtentReader> layer_of(const ImageInfo& info) {
  if (!info.served) {
    throw std::runtime_error(info.path + ": there is no map of " + info.format +
                             " (qemu-img map shows where QEMU has one)");
  }
  return find_format(info.format)->extents(open_to_look(info.path));
}

const char* name_of(ExtentKind kind) {
  switch (kind) {
    case ExtentKind::unallocated:
      return "unallocated";
    case ExtentKind::zero:
      return "zero";
    case ExtentKind::data:
      return "data";
    case ExtentKind::compressed:
      return "compressed";
    case ExtentKind::invalid:
      return "invalid";
  }
  return "invalid";
}

/// Of the first image that has the offset; those above shorten what is looked at.
MappedExtent extent_at(const std::vector<std::unique_ptr<ExtentReader>>& layers, uint64_t offset) {
  MappedExtent mapped;
  mapped.start = offset;
  mapped.bytes = layers.front()->size_bytes() - offset;
  for (std::size_t depth = 0; depth < layers.size(); ++depth) {
    const uint64_t size = layers[depth]->size_bytes();
    if (offset >= size) break;
    const Extent extent = layers[depth]->at(offset, std::min(mapped.bytes, size - offset));
    mapped.bytes = extent.bytes;
    if (extent.kind == ExtentKind::unallocated) continue;
    mapped.depth = depth;
    mapped.kind = name_of(extent.kind);
    const bool has_place = extent.kind == ExtentKind::data || extent.kind == ExtentKind::compressed;
    if (has_place) mapped.offset = extent.host;
    break;
  }
  return mapped;
}

bool continues(const MappedExtent& extent, const MappedExtent& next) {
  if (extent.kind != next.kind || extent.depth != next.depth) return false;
  if (!extent.offset) return true;
  return std::string_view(extent.kind) == "data" && *extent.offset + extent.bytes == next.offset;
}

}  // namespace

void map_image(const std::string& path, const std::string& format, bool chain,
               const std::vector<std::string>& backing_formats,
               const std::function<void(const MappedExtent&)>& act) {
  ImageChain images;
  if (chain) {
    images = image_chain(path, format, backing_formats);
    if (!images.problem.empty()) throw std::runtime_error(images.problem);
  } else {
    images.images.push_back(image_info(path, format));
  }
  if (images.images.front().description.size_bytes == 0) {
    throw std::runtime_error(path + " is empty");
  }
  std::vector<std::unique_ptr<ExtentReader>> layers;
  for (const ImageInfo& info : images.images) layers.push_back(layer_of(info));
  MappedExtent extent;
  for (uint64_t at = 0; at < layers.front()->size_bytes();) {
    const MappedExtent next = extent_at(layers, at);
    at += next.bytes;
    if (extent.bytes > 0 && continues(extent, next)) {
      extent.bytes += next.bytes;
      continue;
    }
    if (extent.bytes > 0) act(extent);
    extent = next;
  }
  if (extent.bytes > 0) act(extent);
}

}  // namespace tapring
