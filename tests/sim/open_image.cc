// SPDX-License-Identifier: MIT
#include "tests/sim/open_image.h"

#include <system_error>
#include <utility>

#include "ring/blkif.h"
#include "ring/open_file.h"
#include "tests/sim/witness.h"

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

/// Of one of several processes.
class ImageOfProcess final : public OpenImage {
 public:
  ImageOfProcess(SimStorage& storage, std::unique_ptr<OpenImage> image,
                 std::function<bool()> opened)
      : storage_(storage), image_(std::move(image)), opened_(std::move(opened)) {
    opened_();
  }

  const Geometry& geometry() const noexcept override { return image_->geometry(); }
  const std::vector<std::string>& notices() const noexcept override { return image_->notices(); }
  std::vector<FileId> files() const override { return image_->files(); }
  uint64_t table_bytes() const override { return image_->table_bytes(); }
  std::unique_ptr<OpenImage> share() const override {
    auto shared = opened_() ? image_->share() : nullptr;
    if (!shared) return nullptr;
    return std::make_unique<ImageOfProcess>(storage_, std::move(shared), opened_);
  }
  std::vector<UniqueFd> witnesses() const override {
    std::vector<UniqueFd> made;
    for (UniqueFd& witness : image_->witnesses()) {
      made.push_back(make_sim_witness(storage_, std::move(witness)));
    }
    return made;
  }
  std::unique_ptr<Image> serve_on(Loop& loop) override { return image_->serve_on(loop); }

 private:
  SimStorage& storage_;
  std::unique_ptr<OpenImage> image_;
  std::function<bool()> opened_;
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

std::unique_ptr<OpenImage> open_sim_image_of(SimStorage& storage, const OpenRequest& request,
                                             const std::function<bool()>& opened) {
  return std::make_unique<ImageOfProcess>(storage, open_sim_image(storage, request), opened);
}

}  // namespace tapring::sim
