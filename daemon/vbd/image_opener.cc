// SPDX-License-Identifier: MIT
#include "daemon/vbd/image_opener.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <exception>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "daemon/host/control_port.h"
#include "daemon/host/decimal.h"
#include "daemon/vbd/served_files.h"
#include "daemon/vbd/storage_name.h"

namespace tapring {
namespace {

// Shorter than libxl waits for state 6 (10 s).
constexpr std::chrono::seconds kOpeningPatience(7);

// Between two attempts at a lock, from the first on: a predecessor's I/O is done in a moment, or it
// hangs.
constexpr std::chrono::milliseconds kFirstPause(50);
constexpr std::chrono::milliseconds kLongestPause(1000);

// Between two looks at a twin that is opening the image.
constexpr std::chrono::milliseconds kTwinPause(50);

void check_told_size(const OpenRequest& request, uint64_t bytes) {
  if (bytes >= request.told_bytes) return;
  throw std::runtime_error(
      fmt::format("{} is {} bytes, less than the disk of its guest (make it {} bytes long again)",
                  request.spec.path, bytes, request.told_bytes));
}

}  // namespace

ImageOpener::ImageOpener(const DeviceScope& device, const DiskIdentity& identity,
                         Callbacks callbacks)
    : device_(device), identity_(identity), callbacks_(std::move(callbacks)) {}

void ImageOpener::check(bool resumed) {
  if (!is_closed()) return;
  try_opening({.purpose = Purpose::probe, .resumed = resumed, .since = device_.tasks.now()});
}

void ImageOpener::open(bool resumed) {
  if (!is_closed()) return;
  try_opening({.purpose = Purpose::service, .resumed = resumed, .since = device_.tasks.now()});
}

/// Images that must be repaired first have a background line for each storage, which repairs one at
/// a time. So they do not hold up the opening of other images of that storage, nor wait for another
/// storage, which may hang.
void ImageOpener::try_opening(Goal goal, bool may_repair) {
  if (share_with_twin(goal)) return;
  const DiskSpec& disk = identity_.disk;
  device_.log(spdlog::level::debug, "opening {}:{} {}", disk.format, disk.path,
              goal.purpose == Purpose::service ? "to serve it" : "to check it");
  // Before the state changes: if xenstore is lost over it, the next look at the disk opens the
  // image.
  const OpenRequest request = make_request(goal, may_repair);
  const std::size_t loops = loops_wanted(goal.purpose);
  state_ = Opening{std::move(goal)};
  const uint64_t attempt = ++attempt_;
  try {
    // A copy of the opener, as another configuration may replace it meanwhile.
    device_.tasks.run(
        (may_repair ? "repair " : "open ") + storage_name(disk.path),
        [open = device_.context.open_disk, &witnesses = device_.context.witnesses, request, loops] {
          return open_in_background(open, request, loops, witnesses);
        },
        [this, attempt](Opened opened) { attempt_ended(attempt, std::move(opened)); },
        may_repair ? 1 : SIZE_MAX);
  } catch (const std::system_error& error) {
    fail(error.what());
  }
}

OpenRequest ImageOpener::make_request(const Goal& goal, bool may_repair) const {
  OpenRequest request{identity_.disk, identity_.spec.mode, goal.purpose, identity_.lock_name()};
  request.may_repair = may_repair;
  if (goal.resumed) {
    request.served = device_.node.served_files();
    request.told_bytes = device_.node.told_bytes();
    request.after_kill = !device_.node.drained();
  }
  return request;
}

/// The image is opened once for each worker that may get some of the guest's queues.
std::size_t ImageOpener::loops_wanted(Purpose purpose) const {
  const std::size_t workers = device_.context.workers.count();
  if (workers == 1 || purpose != Purpose::service) return 1;
  const auto queues = device_.node.frontend_keys(identity_.spec)("multi-queue-num-queues");
  return std::clamp<std::size_t>(parse_decimal(queues.value_or("")).value_or(1), 1, workers);
}

ImageOpener::Opened ImageOpener::open_in_background(const DiskOpener& open,
                                                    const OpenRequest& request, std::size_t loops,
                                                    WitnessStore& witnesses) {
  Opened opened;
  const auto begin = std::chrono::steady_clock::now();
  try {
    std::unique_ptr<OpenImage> image = open(request);
    opened.facts.geometry = image->geometry();
    check_told_size(request, opened.facts.geometry.size_bytes);
    opened.facts.notices = image->notices();
    opened.facts.files = image->files();
    opened.facts.block_device = is_block_device(request.spec.path);
    if (request.purpose == Purpose::service) {
      ask_witnesses(witnesses, request.disk, *image, opened);
      opened.image.images = MultiQueueDisk::share(std::move(image), loops);
    }
  } catch (const NeedsRepair&) {
    opened.needs_repair = true;
  } catch (const ControlLost&) {
    opened.control_lost = true;
  } catch (const FileInUse& conflict) {
    opened.in_use = conflict;
  } catch (const std::exception& failure) {
    opened.error = failure.what();
  }
  opened.took = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - begin);
  return opened;
}

/// Asks the witnesses that were kept whether earlier writes were lost. New witnesses are kept only
/// when the attempt has ended: it may have been given up, and another device of this name may be
/// there by then.
void ImageOpener::ask_witnesses(WitnessStore& store, const std::string& disk,
                                const OpenImage& image, Opened& opened) {
  if (const auto answer = store.ask(disk)) {
    opened.facts.loss = *answer;
  } else {
    opened.witnesses = image.witnesses();
  }
}

void ImageOpener::attempt_ended(uint64_t attempt, Opened opened) {
  device_.log(spdlog::level::debug, "opening it took {} ms: {}", opened.took.count(),
              opened.in_use          ? "it is in use"
              : opened.needs_repair  ? "it is to be repaired"
              : opened.control_lost  ? "the control process is gone"
              : opened.error.empty() ? "done"
                                     : "failed");
  if (attempt != attempt_) return given_up_ended(std::move(opened.image.images));
  if (is_cancelled()) {
    if (opened.image.images.empty()) return released();
    state_ = std::move(opened.image);
    return release();
  }
  Goal goal = std::move(std::get<Opening>(state_).goal);
  state_ = Closed{};
  take_result(std::move(goal), std::move(opened));
}

void ImageOpener::take_result(Goal goal, Opened opened) {
  if (opened.in_use) return wait_for_lock(std::move(goal), *opened.in_use);
  if (opened.needs_repair) return try_opening(std::move(goal), true);
  if (opened.control_lost) {
    goal.pause = kFirstPause;
    return try_again_later(std::move(goal));
  }
  if (!opened.error.empty()) return fail(opened.error);
  take_facts(goal, std::move(opened.facts));
  if (goal.purpose == Purpose::probe) return finish_check();
  state_ = std::move(opened.image);
  if (!opened.witnesses.empty()) {
    device_.context.witnesses.keep(identity_.lock_name(), std::move(opened.witnesses));
  }
  callbacks_.opened();
}

void ImageOpener::take_facts(const Goal& goal, ImageFacts facts) {
  Geometry& geometry = facts.geometry;
  if (!identity_.spec.discard || geometry.read_only) geometry.discard_granularity = 0;
  if (geometry.discard_granularity == 0) geometry.secure_erase = false;
  if (facts.notices != facts_.notices) {
    for (const std::string& notice : facts.notices) {
      device_.log(spdlog::level::warn, "{}: {}", identity_.disk.path, notice);
    }
  }
  if (goal.purpose == Purpose::service) {
    facts_ = std::move(facts);
  } else {
    facts_.geometry = geometry;
    facts_.notices = std::move(facts.notices);
  }
}

void ImageOpener::finish_check() {
  is_checked_ = true;
  callbacks_.checked();
}

void ImageOpener::fail(const std::string& reason) {
  state_ = Closed{};
  callbacks_.failed(reason);
}

bool ImageOpener::is_read_only() const {
  return identity_.spec.mode.find('w') == std::string::npos;
}

/// False if the image is to be opened instead: there is no twin that has it, or the twin has it
/// open for reading and this disk may write.
bool ImageOpener::share_with_twin(Goal& goal) {
  const std::optional<Twin> twin = callbacks_.twin();
  if (!twin) return false;
  if (twin->is_opening) {
    goal.pause = kTwinPause;
    goal.lock_conflict =
        fmt::format("waiting for disk {}, which is opening the image", twin->label);
    try_again_later(std::move(goal));
    return true;
  }
  if (!twin->disk || (twin->image.geometry.read_only && !is_read_only())) return false;
  ++attempt_;
  take_result(goal, opened_by(*twin, goal));
  return true;
}

ImageOpener::Opened ImageOpener::opened_by(const Twin& twin, const Goal& goal) const {
  Opened opened;
  opened.facts = twin.image;
  opened.facts.geometry.read_only |= is_read_only();
  if (goal.purpose == Purpose::service) opened.image.shared = twin.disk;
  if (goal.resumed && !are_served_files(device_.node.served_files(), twin.image.files)) {
    opened.error = fmt::format(
        "disk {} is served from another file than this one was (detach both, which their guests "
        "lose then)",
        twin.label);
  }
  return opened;
}

void ImageOpener::wait_for_lock(Goal goal, const FileInUse& in_use) {
  const LockConflict conflict = callbacks_.lock_conflict(in_use);
  if (conflict.is_migrating && goal.purpose == Purpose::probe) {
    device_.log(spdlog::level::info,
                "{} is in use by {}: waited for when the guest's driver is here", in_use.path(),
                conflict.holder);
    return finish_check();
  }
  goal.pause = std::clamp(2 * goal.pause, kFirstPause, kLongestPause);
  if (!conflict.is_migrating && !goal.resumed) {
    // Measured by the clock, as an attempt itself may take long and libxl waits only so long.
    const std::chrono::milliseconds left =
        goal.since + device_.context.lock_wait - device_.tasks.now();
    if (left <= std::chrono::milliseconds::zero()) {
      return fail(fmt::format("{} is in use by {}", in_use.path(), conflict.holder));
    }
    goal.pause = std::min(goal.pause, left);
  }
  const std::string before = std::exchange(
      goal.lock_conflict,
      fmt::format("waiting for the lock of {}, held by {}", in_use.path(), conflict.holder));
  if (goal.lock_conflict != before) device_.log(spdlog::level::info, "{}", goal.lock_conflict);
  try_again_later(std::move(goal));
}

void ImageOpener::try_again_later(Goal goal) {
  const std::chrono::milliseconds pause = goal.pause;
  state_ = Waiting{std::move(goal)};
  device_.tasks.after(pause, [this, attempt = attempt_] {
    auto* const waiting = std::get_if<Waiting>(&state_);
    if (waiting == nullptr || attempt != attempt_) return;
    Goal again = std::move(waiting->goal);
    state_ = Closed{};
    try_opening(std::move(again));
  });
}

std::shared_ptr<MultiQueueDisk> ImageOpener::make_disk(const DiskOptions& options) {
  auto& [images, shared] = std::get<Open>(state_);
  DeviceContext& context = device_.context;
  shares_ = shared != nullptr;
  auto disk =
      shares_ ? std::make_shared<MultiQueueDisk>(context.control, context.workers,
                                                 *std::exchange(shared, nullptr), options)
              : std::make_shared<MultiQueueDisk>(context.control, context.workers, images, options);
  if (images.empty()) {
    state_ = Closed{};
  } else {
    release();
  }
  return disk;
}

std::shared_ptr<LostWrites> ImageOpener::lost_writes() const {
  const auto& shared = std::get<Open>(state_).shared;
  return shared ? shared->lost_writes() : std::make_shared<LostWrites>();
}

bool ImageOpener::lost_twin() {
  if (!std::exchange(shares_, false)) return false;
  const std::optional<Twin> twin = callbacks_.twin();
  return !twin || !twin->disk;
}

void ImageOpener::release() {
  if (is_opening()) return await_opening();
  if (std::holds_alternative<Waiting>(state_)) {
    ++attempt_;
    return released();
  }
  if (auto* const open = std::get_if<Open>(&state_)) {
    MultiQueueDisk::Images images = std::move(open->images);
    state_ = Closing{};
    close(std::move(images), [this] { released(); });
  }
}

void ImageOpener::abandon() {
  ++attempt_;
  MultiQueueDisk::Images images;
  if (auto* const open = std::get_if<Open>(&state_)) images = std::move(open->images);
  state_ = Closed{};
  if (!images.empty()) close(std::move(images), [] {});
}

void ImageOpener::released() {
  state_ = Closed{};
  callbacks_.released();
}

std::string ImageOpener::lock_conflict() const {
  if (const auto* const opening = std::get_if<Opening>(&state_)) return opening->goal.lock_conflict;
  if (const auto* const waiting = std::get_if<Waiting>(&state_)) return waiting->goal.lock_conflict;
  return {};
}

/// Waits for an attempt that is under way, but not for ever: storage that hangs must not keep the
/// disk from being detached.
void ImageOpener::await_opening() {
  state_ = Cancelled{};
  device_.tasks.after(kOpeningPatience, [this, attempt = attempt_] { give_up_opening(attempt); });
}

void ImageOpener::give_up_opening(uint64_t attempt) {
  if (attempt != attempt_ || !is_cancelled()) return;
  ++attempt_;
  opening_given_up_ = true;
  device_.log(spdlog::level::warn, "{}: its storage does not answer: the disk goes without it",
              identity_.disk.path);
  released();
}

/// The image may be opened again only when this is closed, which may hang as well. So a guest that
/// comes and goes has at most one thread that hangs.
void ImageOpener::given_up_ended(MultiQueueDisk::Images images) {
  auto over = [this] {
    opening_given_up_ = false;
    callbacks_.given_up_ended();
  };
  return images.empty() ? over() : close(std::move(images), std::move(over));
}

/// Closings have a line of their own, as all openings of this storage may hang.
void ImageOpener::close(MultiQueueDisk::Images images, Work then) {
  device_.tasks.run_or_block(
      "close " + storage_name(identity_.disk.path),
      [images = std::move(images)]() mutable { images.clear(); }, std::move(then));
}

bool ImageOpener::drop_witnesses() {
  if (dropping_witnesses_) return false;
  const std::string disk = identity_.lock_name();
  const std::optional<Twin> twin = callbacks_.twin();
  const bool has_serving_twin = twin && twin->disk;
  WitnessStore& store = device_.context.witnesses;
  if (!store.keeps(disk) || has_serving_twin) return true;
  dropping_witnesses_ = true;
  device_.tasks.run_or_block(
      "witnesses", [&store, disk] { store.remove(disk); },
      [this] {
        dropping_witnesses_ = false;
        callbacks_.released();
      });
  return false;
}

}  // namespace tapring
