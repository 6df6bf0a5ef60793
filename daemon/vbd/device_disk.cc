// SPDX-License-Identifier: MIT
// A device and its disk: connected, measured and ended.
#include <spdlog/spdlog.h>

#include <utility>

#include "daemon/vbd/connection_id.h"
#include "daemon/vbd/device.h"
#include "daemon/vbd/served_files.h"

namespace tapring {

void Device::attach(const DiskOptions& options) {
  link_ = Link::connecting;
  log(spdlog::level::debug, "mapping {} queue(s) of {} page(s), {}{}", rings_.queues.size(),
      rings_.queues.front().ring_refs.size(), rings_.protocol,
      rings_.persistent_grants ? ", persistent grants" : "");
  shares_ = shared_ != nullptr;
  disk_ = shares_ ? std::make_shared<MultiQueueDisk>(context_.control, context_.workers,
                                                     *std::exchange(shared_, nullptr), options)
                  : std::make_shared<MultiQueueDisk>(context_.control, context_.workers, images_,
                                                     options);
  if (images_.empty()) {
    image_stage_ = ImageStage::none;
  } else {
    release_image();
  }
  disk_->connect([self = shared_from_this()](const std::string& error) { self->attached(error); });
}

void Device::attached(const std::string& error) {
  if (!error.empty()) {
    link_ = Link::none;
    if (gone_) return vanish();
    // The twin let go of the image meanwhile: it is opened here.
    if (std::exchange(shares_, false) && !has_serving_twin()) return advance();
    return handover_ == Handover::to_us ? connect_again(error) : refuse(error);
  }
  link_ = Link::connected;
  tried_again_ = false;
  handover_ = Handover::none;
  serving_ = false;
  told_ = false;
  if (shutting_down_) return end_disk(Disk::Ending::drain);
  if (gone_) return end_disk(Disk::Ending::abandon);
  const bool wanted =
      last_.backend != XenbusState::missing && last_.backend < XenbusState::closing;
  return wanted && tell_connected() ? proceed() : advance();
}

/// The journals are in place by now, so a successor can rely on them from here on. Where xenstore
/// fails, the next event tries again.
void Device::serve() {
  if (serving_) return;
  node_.begin_service(to_text(origin_.connection), served_files_line(files_),
                      origin_.history != RingHistory::fresh);
  serving_ = true;
  disk_->start();
}

/// False where the state is another by now.
bool Device::tell_connected() {
  serve();
  if (!moved(node_.connect(last_.backend, spec_, geometry_, offered_))) return false;
  told_ = true;
  reason_.clear();
  log(spdlog::level::info, "connected: {}:{}, {} MiB, {}, {} queue(s) of {} page(s), {}",
      disk_spec_.format, disk_spec_.path, geometry_.size_bytes >> 20,
      geometry_.read_only ? "read-only" : "writable", rings_.queues.size(),
      rings_.queues.front().ring_refs.size(), rings_.protocol);
  return true;
}

void Device::check_size() {
  if (link_ != Link::connected || measuring_) return;
  measuring_ = true;
  disk_->measure([self = shared_from_this()](const Result<uint64_t>& sectors) {
    self->measured(sectors);
  });
}

void Device::measured(const Result<uint64_t>& sectors) {
  measuring_ = false;
  if (!sectors || link_ != Link::connected) return;
  const uint64_t bytes = *sectors * kSectorBytes;
  if (bytes < geometry_.size_bytes) {
    const bool is_news = std::exchange(cut_to_bytes_, bytes) != bytes;
    if (is_news) log(spdlog::level::err, "{}", errors_reason());
    return;
  }
  cut_to_bytes_.reset();
  if (bytes <= geometry_.size_bytes || !node_.resize(*sectors)) return;
  log(spdlog::level::info, "grown from {} to {} bytes", geometry_.size_bytes, bytes);
  geometry_.size_bytes = bytes;
}

void Device::end_disk(Disk::Ending ending) {
  if (pause_->held() == 0) tell_end_of_pause();
  link_ = Link::ending;
  log(spdlog::level::debug, "ending: {}",
      ending == Disk::Ending::drain ? "answering what is in flight" : "nobody waits for answers");
  disk_->end(ending, [self = shared_from_this()] { self->disk_ended(); });
}

void Device::disk_ended() {
  link_ = Link::none;
  log(spdlog::level::debug, "ended");
  tell_faults();
  if (shutting_down_) {
    if (disk_->left_in_order()) node_.mark_drained();
    return;
  }
  if (gone_) return vanish();
  return handover_ == Handover::to_kernel ? drained_for_kernel() : advance();
}

}  // namespace tapring
