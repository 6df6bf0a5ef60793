// SPDX-License-Identifier: MIT
// A device and its image: opened and closed in the background, as either may hang.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "daemon/host/decimal.h"
#include "daemon/vbd/device.h"
#include "daemon/vbd/storage_name.h"

namespace tapring {
namespace {

// Shorter than libxl waits for state 6 (10 s).
constexpr std::chrono::seconds kOpeningPatience(7);

void check_told_size(const OpenRequest& request, uint64_t bytes) {
  if (bytes >= request.told_bytes) return;
  throw std::runtime_error(fmt::format(
      "{} is {} bytes, less than the disk of its guest (make it {} bytes long again)",
      request.spec.path, bytes, request.told_bytes));
}

}  // namespace

/// Before the guest's driver is there: what is wrong with the image is said while somebody waits
/// for that, and its lock is left to who has it until the guest comes.
void Device::check_image() {
  if (image_stage_ != ImageStage::none) return;
  begin_waiting_for_lock();
  try_opening(Purpose::checking);
}

void Device::open_image() {
  begin_waiting_for_lock();
  try_opening(Purpose::service);
}

/// An image that is to be mended waits for its turn in a line of its own, and so keeps none of the
/// same storage from being opened that is not. It waits for no other storage, which may hang.
void Device::try_opening(Purpose purpose, bool may_mend) {
  if (share_with_twin(purpose)) return;
  log(spdlog::level::debug, "opening {}:{} {}", disk_spec_.format, disk_spec_.path,
      purpose == Purpose::service ? "to serve it" : "to check it");
  OpenRequest request{disk_spec_, spec_.mode, purpose, name_for_lock()};
  request.may_mend = may_mend;
  if (is_taken_up()) {
    request.served = node_.served_files();
    request.told_bytes = node_.told_bytes();
  }
  const std::size_t loops = purpose == Purpose::service ? loops_wanted() : 1;
  // Not before xenstore was asked: if it is lost there, the next look at the disk opens the image.
  image_stage_ = ImageStage::opening;
  // A copy of the opener, as another configuration may replace it meanwhile.
  run_in_background(
      (may_mend ? "mend " : "open ") + storage_name(disk_spec_.path),
      [self = shared_from_this(), &control = context_.control, open = context_.open_disk,
       &witnesses = context_.witnesses, attempt = ++open_attempt_, request, loops]() mutable {
        Opened opened = open_in_background(open, request, loops, witnesses);
        opened.attempt = attempt;
        control.post([self = std::move(self), opened = std::move(opened)]() mutable {
          self->opening_ended(std::move(opened));
        });
      },
      may_mend ? 1 : SIZE_MAX);
}

/// As many as there may be workers with some of the queues that the guest asks for.
std::size_t Device::loops_wanted() const {
  const std::size_t workers = context_.workers.count();
  if (workers == 1) return 1;
  const auto queues = node_.frontend_keys(spec_)("multi-queue-num-queues");
  return std::clamp<std::size_t>(parse_decimal(queues.value_or("")).value_or(1), 1, workers);
}

Device::Opened Device::open_in_background(const DiskOpener& open, const OpenRequest& request,
                                          std::size_t loops, WitnessStore& witnesses) {
  Opened opened;
  opened.purpose = request.purpose;
  const auto begin = std::chrono::steady_clock::now();
  try {
    std::unique_ptr<OpenImage> image = open(request);
    opened.geometry = image->geometry();
    check_told_size(request, opened.geometry.size_bytes);
    opened.notices = image->notices();
    opened.files = image->files();
    opened.block_device = is_block_device(request.spec.path);
    if (request.purpose == Purpose::service) {
      ask_witnesses(witnesses, request.disk, *image, opened);
      opened.images = MultiQueueDisk::share(std::move(image), loops);
    }
  } catch (const NeedsMending&) {
    opened.needs_mending = true;
  } catch (const FileInUse& conflict) {
    opened.in_use = conflict;
  } catch (const std::exception& failure) {
    opened.error = failure.what();
  }
  opened.took = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - begin);
  return opened;
}

void Device::opening_ended(Opened opened) {
  log(spdlog::level::debug, "opening it took {} ms: {}", opened.took.count(),
      opened.in_use          ? "it is in use"
      : opened.needs_mending ? "it is to be mended"
      : opened.error.empty() ? "done"
                             : "failed");
  if (opened.attempt != open_attempt_) return given_up_ended(std::move(opened.images));
  if (image_stage_ == ImageStage::unwanted) {
    if (opened.images.empty()) return image_released();
    image_stage_ = ImageStage::open;
    images_ = std::move(opened.images);
    return release_image();
  }
  if (opened.in_use) return locked_out(*opened.in_use, opened.purpose);
  image_stage_ = ImageStage::none;
  if (opened.needs_mending) return try_opening(opened.purpose, true);
  if (!opened.error.empty()) return refuse(opened.error);
  image_opened(std::move(opened));
}

void Device::image_opened(Opened opened) {
  locked_by_.clear();
  geometry_ = opened.geometry;
  if (!spec_.discard || geometry_.read_only) geometry_.discard_granularity = 0;
  if (geometry_.discard_granularity == 0) geometry_.secure_erase = false;
  if (notices_ != opened.notices) {
    notices_ = std::move(opened.notices);
    for (const std::string& notice : notices_) {
      log(spdlog::level::warn, "{}: {}", disk_spec_.path, notice);
    }
  }
  if (opened.purpose == Purpose::checking) return image_checked();
  image_stage_ = ImageStage::open;
  images_ = std::move(opened.images);
  files_ = std::move(opened.files);
  block_device_ = opened.block_device;
  loss_ = opened.loss;
  if (!opened.witnesses.empty()) {
    context_.witnesses.keep(name_for_lock(), std::move(opened.witnesses));
  }
  proceed();
}

void Device::image_checked() {
  image_stage_ = ImageStage::none;
  image_checked_ = true;
  verdict_ = "ready";
  proceed();
}

/// Comes back by image_released() when the files are closed: state 6 promises that they are.
void Device::release_image() {
  switch (image_stage_) {
    case ImageStage::opening:
      return await_opening();
    case ImageStage::open:
      image_stage_ = ImageStage::releasing;
      shared_.reset();
      return close_in_background(std::move(images_),
                                 [self = shared_from_this()] { self->image_released(); });
    case ImageStage::locked_out:
      ++open_attempt_;
      return image_released();
    case ImageStage::none:
    case ImageStage::unwanted:
    case ImageStage::releasing:
      return;
  }
}

void Device::image_released() {
  image_stage_ = ImageStage::none;
  locked_by_.clear();
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
  opening_given_up_ = true;
  log(spdlog::level::warn, "{}: its storage does not answer: the disk goes without it",
      disk_spec_.path);
  image_released();
}

/// Only when it is closed may the image be opened again, and closing may hang as well: a guest that
/// comes and goes gets one thread for what hangs.
void Device::given_up_ended(MultiQueueDisk::Images images) {
  auto over = [self = shared_from_this()] {
    self->opening_given_up_ = false;
    self->advance();
  };
  return images.empty() ? over() : close_in_background(std::move(images), std::move(over));
}

void Device::close_in_background(MultiQueueDisk::Images images, Work then) {
  auto work = [&control = context_.control, images = std::move(images),
               then = std::move(then)]() mutable {
    images.clear();
    control.post(std::move(then));
  };
  // Shared, as it must survive a thread that cannot be had: then the control thread has to wait.
  auto shared = std::make_shared<decltype(work)>(std::move(work));
  try {
    // Beside those that open: these may all hang with an image that lies below theirs.
    context_.background.run("close " + storage_name(disk_spec_.path), [shared] { (*shared)(); });
  } catch (const std::system_error&) {
    (*shared)();
  }
}

}  // namespace tapring
