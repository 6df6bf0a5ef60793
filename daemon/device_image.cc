// SPDX-License-Identifier: MIT
// A device and its image: opened and closed in the background, as either may hang.
#include <spdlog/spdlog.h>

#include <chrono>
#include <system_error>
#include <utility>

#include "daemon/device.h"

namespace tapring {
namespace {

// Longer than an open waits for a lock by default, shorter than libxl waits for state 6 (10 s).
constexpr std::chrono::seconds kOpeningPatience(7);

}  // namespace

void Device::open_image() {
  if (image_stage_ != ImageStage::none) return;
  image_stage_ = ImageStage::opening;
  run_aside([self = shared_from_this(), &control = context_.control, &open = context_.open_disk,
             attempt = ++open_attempt_, spec = disk_spec_, mode = spec_.mode]() mutable {
    std::unique_ptr<OpenImage> image;
    std::string error;
    try {
      image = open(spec, mode);
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
    // Given up before. Closing may hang as well.
    return image ? close_aside(std::move(image), [] {}) : void();
  }
  if (image_stage_ == ImageStage::unwanted) {
    if (!image) return image_released();
    image_stage_ = ImageStage::open;
    image_ = std::move(image);
    return release_image();
  }
  if (!error.empty()) {
    image_stage_ = ImageStage::none;
    return refuse(error);
  }
  image_stage_ = ImageStage::open;
  image_ = std::move(image);
  geometry_ = image_->geometry();
  if (!spec_.discard || geometry_.read_only) geometry_.discard_granularity = 0;
  if (geometry_.discard_granularity == 0) geometry_.secure_erase = false;
  notices_ = image_->notices();
  for (const std::string& notice : notices_) {
    log(spdlog::level::warn, "{}: {}", disk_spec_.path, notice);
  }
  node_.write_verdict("ready");
  proceed();
}

/// Comes back by image_released() when the files are closed: state 6 promises that they are.
void Device::release_image() {
  switch (image_stage_) {
    case ImageStage::opening:
      return await_opening();
    case ImageStage::open:
      image_stage_ = ImageStage::releasing;
      return close_aside(std::move(image_),
                         [self = shared_from_this()] { self->image_released(); });
    case ImageStage::none:
    case ImageStage::unwanted:
    case ImageStage::releasing:
      return;
  }
}

void Device::image_released() {
  image_stage_ = ImageStage::none;
  return gone_ ? vanish() : advance();
}

/// Storage that hangs holds up the detaching of its disk for a while, but not for ever.
void Device::await_opening() {
  image_stage_ = ImageStage::unwanted;
  context_.timer.after(kOpeningPatience, [weak = weak_from_this(), attempt = open_attempt_] {
    const auto self = weak.lock();
    if (!self) return;
    self->context_.control.post([self, attempt] { self->give_up_opening(attempt); });
  });
}

void Device::give_up_opening(uint64_t attempt) {
  if (attempt != open_attempt_ || image_stage_ != ImageStage::unwanted) return;
  ++open_attempt_;
  log(spdlog::level::warn, "{}: its storage does not answer: the disk goes without it",
      disk_spec_.path);
  image_released();
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
