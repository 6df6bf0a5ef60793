// SPDX-License-Identifier: MIT
// What opening an image with a map has found, on its way to the image's loop.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "formats/clusters/cluster_map.h"
#include "formats/clusters/cluster_writer.h"
#include "formats/image.h"
#include "formats/qcow2/bytes/header.h"
#include "ring/open_file.h"

namespace tapring {

/// An image that was opened and checked.
struct OpenedImage {
  qcow2::Header header;
  ClusterMap::L1Table l1;  ///< of the disk, or of the snapshot that is served
  OpenFile file;
  std::optional<OpenFile> data_file;
  std::unique_ptr<OpenImage> backing;
  uint64_t map_cache_bytes = 0;
  std::optional<WritableParts> writable;
};

/// What drivers of such images have in common; each fills `image_`, then calls describe().
class OpenMappedImage : public OpenImage {
 public:
  const Geometry& geometry() const noexcept override { return geometry_; }
  const std::vector<std::string>& notices() const noexcept override { return notices_; }
  std::vector<FileId> files() const override;
  std::vector<UniqueFd> witnesses() const override;
  uint64_t table_bytes() const override { return table_bytes_; }
  std::unique_ptr<Image> serve_on(Loop& loop) override;

 protected:
  explicit OpenMappedImage(OpenedImage image) noexcept : image_(std::move(image)) {}

  void describe(const ImageOptions& options);

  OpenedImage image_;
  std::vector<std::string> notices_;

 private:
  void check_tables_of_chain(const ImageOptions& options) const;
  uint32_t discard_granularity() const noexcept;
  void add_notices(const std::vector<std::string>& notices);

  Geometry geometry_;
  uint64_t table_bytes_ = 0;
};

}  // namespace tapring
