// SPDX-License-Identifier: MIT
// A guest and the stub domain that runs its device model. Both have each disk of the guest attached
// at the same time, and use it one after the other: firmware and boot loader by way of the stub
// domain, then the guest's own driver. Who connects second shares the image that the first one has
// open, since a format with a map cannot be opened twice for writing, and its lock rightly refuses
// that.
#include <fmt/format.h>

#include <chrono>
#include <string>
#include <utility>

#include "daemon/vbd/device.h"
#include "daemon/vbd/served_files.h"

namespace tapring {
namespace {

// Between two looks at a twin that is opening the image.
constexpr std::chrono::milliseconds kTwinPause(50);

}  // namespace

bool Device::is_of_same_machine(const Device& other) const {
  return spec_.target == other.name_.domain || other.spec_.target == name_.domain;
}

/// Twins have one fence: each waits for what the other's last daemon has under way.
std::string Device::name_for_lock() const {
  VbdName name = name_;
  name.domain = spec_.target.value_or(name_.domain);
  return name.sysfs_name();
}

bool Device::is_twin_of(const Device& other) const {
  return is_of_same_machine(other) && name_.device == other.name_.device &&
         !disk_spec_.path.empty() && disk_spec_.path == other.disk_spec_.path &&
         disk_spec_.format == other.disk_spec_.format;
}

/// It will have the image on its workers, or not at all, in a moment.
bool Device::is_getting_image() const {
  return link_ == Link::connecting || image_stage_ == ImageStage::opening ||
         image_stage_ == ImageStage::open;
}

bool Device::has_serving_twin() const {
  const Device* twin = context_.twin_of(*this);
  return twin != nullptr && twin->link_ == Link::connected;
}

/// False where the image is to be opened. A disk that may write cannot share one that was opened
/// for reading.
bool Device::share_with_twin(Purpose purpose) {
  const Device* twin = context_.twin_of(*this);
  if (twin == nullptr) return false;
  if (twin->is_getting_image()) {
    wait_for_twin(*twin, purpose);
    return true;
  }
  const bool read_only = spec_.mode.find('w') == std::string::npos;
  if (twin->link_ != Link::connected || (twin->geometry_.read_only && !read_only)) return false;
  Opened opened = opened_by(*twin, purpose);
  if (purpose == Purpose::service) shared_ = twin->disk_;
  image_stage_ = ImageStage::opening;
  opened.attempt = ++open_attempt_;
  opening_ended(std::move(opened));
  return true;
}

Device::Opened Device::opened_by(const Device& twin, Purpose purpose) const {
  Opened opened;
  opened.purpose = purpose;
  opened.geometry = twin.geometry_;
  opened.geometry.read_only |= spec_.mode.find('w') == std::string::npos;
  opened.notices = twin.notices_;
  opened.files = twin.files_;
  opened.block_device = twin.block_device_;
  if (is_taken_up() && !are_served_files(node_.served_files(), twin.files_)) {
    opened.error = fmt::format(
        "disk {} is served from another file than this one was (detach both, which their guests "
        "lose then)",
        twin.label());
  }
  return opened;
}

void Device::wait_for_twin(const Device& twin, Purpose purpose) {
  image_stage_ = ImageStage::locked_out;
  lock_pause_ = kTwinPause;
  locked_by_ = fmt::format("waiting for disk {}, which is opening the image", twin.label());
  wait_for_lock(purpose);
}

}  // namespace tapring
