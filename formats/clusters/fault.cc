// SPDX-License-Identifier: MIT
#include "formats/clusters/fault.h"

#include <string>

namespace tapring {
namespace {

class Category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "qcow2"; }

  std::string message(int fault) const override {
    switch (static_cast<Fault>(fault)) {
      case Fault::invalid_entry:
        return "an L2 entry of the image is invalid (tapring image check)";
      case Fault::compressed_outside:
        return "a compressed cluster lies outside the image's file";
      case Fault::compressed_damaged:
        return "a compressed cluster is damaged";
      case Fault::metadata_overlap:
        return "the image is corrupt: a write would hit its metadata (tapring image check)";
      case Fault::refcount:
        return "a refcount of the image is invalid (tapring image check --repair all)";
      case Fault::image_full:
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

std::error_code make_error_code(Fault fault) noexcept {
  static const Category category;
  return {static_cast<int>(fault), category};
}

}  // namespace tapring
