// SPDX-License-Identifier: MIT
#include "tests/sim/open_image.h"

#include <system_error>
#include <utility>

#include "ring/blkif.h"
#include "ring/open_file.h"

namespace tapring::sim {
namespace {

/// The real file, which takes any sector, on storage that does not.
class ImageOfBlocks final : public OpenImage {
 public:
  explicit ImageOfBlocks(std::unique_ptr<OpenImage> image) noexcept : image_(std::move(image)) {}

  const Geometry& geometry() const noexcept override { return image_->geometry(); }
  const std::vector<std::string>& notices() const noexcept override { return image_->notices(); }
  std::vector<FileId> files() const override { return image_->files(); }
  std::vector<UniqueFd> witnesses() const override { return image_->witnesses(); }
  std::unique_ptr<Image> serve_on(Loop& loop) override { return image_->serve_on(loop); }

 private:
  std::unique_ptr<OpenImage> image_;
};

}  // namespace

std::unique_ptr<OpenImage> open_sim_image(SimStorage& storage, const OpenRequest& request) {
  if (storage.locked_elsewhere(request.spec.path)) {
    throw FileInUse(request.spec.path, {}, {.on_this_host = false, .processes = {}});
  }
  if (const Error error = storage.behaviour(request.spec.path).opening) {
    throw std::system_error(error, "open " + request.spec.path);
  }
  auto image = open_disk(request, {});
  if (storage.behaviour(request.spec.path).block_bytes <= kSectorBytes) return image;
  return std::make_unique<ImageOfBlocks>(std::move(image));
}

}  // namespace tapring::sim
