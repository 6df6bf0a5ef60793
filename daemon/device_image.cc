// SPDX-License-Identifier: MIT
// A device and its image: opened and closed in the background, as either may hang.
#include <spdlog/spdlog.h>

#include <system_error>
#include <utility>

#include "daemon/device.h"

namespace tapring {

void Device::open_image() {
  if (image_stage_ != ImageStage::none) return;
  image_stage_ = ImageStage::opening;
  run_aside([self = shared_from_this(), &control = context_.control,
             &policy = context_.open_policy, attempt = ++open_attempt_, spec = disk_spec_,
             mode = spec_.mode]() mutable {
    std::unique_ptr<OpenImage> image;
    std::string error;
    try {
      image = open_disk(spec, mode, policy);
    } catch (const std::exception& failure) {
      error = failure.what();
    }
    control.post([self = std::move(self), attempt, image = std::move(image), error]() mutable {
      self->image_opened(attempt, std::move(image), error);
    });
  });
}

void Device::image_opened(uint64_t attempt, std::unique_ptr<OpenImage> image,
                          const std::string& error) {
  if (attempt != open_attempt_) {
    // The disk was detached while its storage hung. Closing may hang as well.
    return image ? close_aside(std::move(image), [] {}) : void();
  }
  if (!error.empty()) {
    image_stage_ = ImageStage::none;
    return refuse(error);
  }
  image_stage_ = ImageStage::open;
  image_ = std::move(image);
  geometry_ = image_->geometry();
  if (!spec_.discard || geometry_.read_only) geometry_.discard_granularity = 0;
  notices_ = image_->notices();
  for (const std::string& notice : notices_) {
    log(spdlog::level::warn, "{}: {}", disk_spec_.path, notice);
  }
  node_.write_verdict("ready");
  advance();
}

/// Comes back to advance() when the files are closed: state 6 promises that they are.
void Device::release_image() {
  if (image_stage_ == ImageStage::opening) {
    image_stage_ = ImageStage::none;
    return gone_ ? vanish() : advance();
  }
  image_stage_ = ImageStage::releasing;
  close_aside(std::move(image_), [self = shared_from_this()] {
    self->image_stage_ = ImageStage::none;
    return self->gone_ ? self->vanish() : self->advance();
  });
}

void Device::close_aside(std::unique_ptr<OpenImage> image, Work then) {
  auto work = [&control = context_.control, image = std::move(image),
               then = std::move(then)]() mutable {
    image.reset();
    control.post(std::move(then));
  };
  // Shared, as it must survive a thread that cannot be had: then the control thread has to wait.
  auto shared = std::make_shared<decltype(work)>(std::move(work));
  try {
    context_.background.run([shared] { (*shared)(); });
  } catch (const std::system_error&) {
    (*shared)();
  }
}

}  // namespace tapring
