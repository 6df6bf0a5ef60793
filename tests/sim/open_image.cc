// SPDX-License-Identifier: MIT
#include "tests/sim/open_image.h"

#include <utility>

#include "ring/blkif.h"

namespace tapring::sim {
namespace {

/// The real file, which takes any sector, on storage that does not.
class ImageOfBlocks final : public OpenImage {
 public:
  explicit ImageOfBlocks(std::unique_ptr<OpenImage> image) noexcept : image_(std::move(image)) {}

  const Geometry& geometry() const noexcept override { return image_->geometry(); }
  const std::vector<std::string>& notices() const noexcept override { return image_->notices(); }
  std::unique_ptr<Image> serve_on(Loop& loop) override { return image_->serve_on(loop); }

 private:
  std::unique_ptr<OpenImage> image_;
};

}  // namespace

std::unique_ptr<OpenImage> open_sim_image(SimStorage& storage, const DiskSpec& spec,
                                          const std::string& mode) {
  auto image = open_disk(spec, mode, {});
  if (storage.behaviour(spec.path).block_bytes <= kSectorBytes) return image;
  return std::make_unique<ImageOfBlocks>(std::move(image));
}

}  // namespace tapring::sim
