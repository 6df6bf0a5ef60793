// SPDX-License-Identifier: MIT
#include "daemon/cli/image_map.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include "daemon/cli/image_info.h"
#include "formats/backing_file.h"
#include "formats/printable.h"
#include "formats/qcow/qcow_extents.h"
#include "formats/qcow2/offline/extents.h"

namespace tapring {
namespace {

using qcow2::Extent;
using qcow2::Kind;

/// One image of a chain.
struct Layer {
  virtual ~Layer() = default;
  virtual uint64_t size_bytes() const = 0;
  virtual Extent at(uint64_t offset, uint64_t bytes) = 0;
};

class MappedLayer final : public Layer {
 public:
  explicit MappedLayer(qcow2::Extents extents) : extents_(std::move(extents)) {}
  uint64_t size_bytes() const override { return extents_.layout().size_bytes; }
  Extent at(uint64_t offset, uint64_t bytes) override { return extents_.at(offset, bytes); }

 private:
  qcow2::Extents extents_;
};

class RawLayer final : public Layer {
 public:
  explicit RawLayer(OpenFile file) : file_(std::move(file)) {}
  uint64_t size_bytes() const override { return file_.size_bytes; }

  Extent at(uint64_t offset, uint64_t bytes) override {
    const auto seek = [&](int whence) {
      const off_t found = ::lseek(file_.fd.get(), static_cast<off_t>(offset), whence);
      if (found >= 0) return std::min(static_cast<uint64_t>(found) - offset, bytes);
      return whence == SEEK_DATA && errno == ENXIO ? bytes : uint64_t{0};
    };
    if (const uint64_t hole = seek(SEEK_DATA)) return {Kind::zero, hole, offset};
    const uint64_t data = seek(SEEK_HOLE);
    return {Kind::data, data == 0 ? bytes : data, offset};
  }

 private:
  OpenFile file_;
};

std::unique_ptr<Layer> layer_of(const ImageInfo& info) {
  FileOptions options;
  options.path = info.path;
  options.read_only = true;
  options.lock.sharing = Sharing::unlocked;
  if (info.qcow2) return std::make_unique<MappedLayer>(qcow2::read_extents(open_file(options)));
  if (info.qcow) return std::make_unique<MappedLayer>(qcow::read_extents(open_file(options)));
  if (info.format == "raw" || info.format == "aio") {
    return std::make_unique<RawLayer>(open_file(options));
  }
  throw std::system_error(ENOTSUP, std::system_category(),
                          info.path + ": no map of the format " + escaped(info.format));
}

const char* name_of(Kind kind) {
  switch (kind) {
    case Kind::unallocated:
      return "unallocated";
    case Kind::zero:
      return "zero";
    case Kind::data:
      return "data";
    case Kind::compressed:
      return "compressed";
    case Kind::invalid:
      return "invalid";
  }
  return "invalid";
}

/// Of the first image that has the offset; those above shorten what is looked at.
MappedExtent extent_at(const std::vector<std::unique_ptr<Layer>>& layers, uint64_t offset) {
  MappedExtent mapped;
  mapped.start = offset;
  mapped.bytes = layers.front()->size_bytes() - offset;
  for (std::size_t depth = 0; depth < layers.size(); ++depth) {
    const uint64_t size = layers[depth]->size_bytes();
    if (offset >= size) break;
    const Extent extent = layers[depth]->at(offset, std::min(mapped.bytes, size - offset));
    mapped.bytes = extent.bytes;
    if (extent.kind == Kind::unallocated) continue;
    mapped.depth = depth;
    mapped.kind = name_of(extent.kind);
    const bool has_place = extent.kind == Kind::data || extent.kind == Kind::compressed;
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
    if (!images.trouble.empty()) {
      throw std::system_error(EINVAL, std::system_category(), images.trouble);
    }
  } else {
    images.images.push_back(image_info(path, format));
  }
  if (images.images.front().size_bytes == 0) {
    throw std::system_error(EINVAL, std::system_category(), path + " is empty");
  }
  std::vector<std::unique_ptr<Layer>> layers;
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
