// SPDX-License-Identifier: MIT
#include "formats/clusters/image_errc.h"

#include <string>

namespace tapring {
namespace {

class Category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "qcow2"; }

  std::string message(int fault) const override {
    switch (static_cast<ImageErrc>(fault)) {
      case ImageErrc::invalid_entry:
        return "an L2 entry of the image is invalid (tapring image check)";
      case ImageErrc::compressed_outside:
        return "a compressed cluster lies outside the image's file";
      case ImageErrc::compressed_damaged:
        return "a compressed cluster is damaged";
      case ImageErrc::metadata_overlap:
        return "the image is corrupt: a write would hit its metadata (tapring image check)";
      case ImageErrc::refcount:
        return "a refcount of the image is invalid (tapring image check --repair all)";
      case ImageErrc::image_full:
        return "the image cannot have more clusters";
    }
    return "unknown";
  }

  /// As filesystems say it of what they find damaged.
  std::error_condition default_error_condition(int /*fault*/) const noexcept override {
    return std::errc::bad_message;
  }
};

}  // namespace

std::error_code make_error_code(ImageErrc fault) noexcept {
  static const Category category;
  return {static_cast<int>(fault), category};
}

}  // namespace tapring
