// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "formats/image.h"

namespace tapring {

/// An open image, and all that want to hear of its faults: the disks of a guest and of its stub
/// domain have one image together. For the thread of the image's loop.
class SharedImage {
 public:
  explicit SharedImage(std::unique_ptr<Image> image) : image_(std::move(image)) {
    image_->report_to(listeners_);
  }

  Image& image() const noexcept { return *image_; }

  void add(std::shared_ptr<ImageEvents> listener) {
    if (listeners_->corruption) listener->corrupt(listeners_->corruption);
    listeners_->all.push_back(std::move(listener));
  }
  void remove(const std::shared_ptr<ImageEvents>& listener) noexcept {
    std::erase(listeners_->all, listener);
  }

 private:
  struct Listeners final : ImageEvents {
    void corrupt(Error how) noexcept override {
      corruption = how;
      for (const auto& listener : all) listener->corrupt(how);
    }
    void warn(const char* what, Error cause) noexcept override {
      for (const auto& listener : all) listener->warn(what, cause);
    }
    std::vector<std::shared_ptr<ImageEvents>> all;
    Error corruption;  ///< said once, and true for whoever comes later as well
  };

  std::shared_ptr<Listeners> listeners_ = std::make_shared<Listeners>();
  std::unique_ptr<Image> image_;
};

}  // namespace tapring
