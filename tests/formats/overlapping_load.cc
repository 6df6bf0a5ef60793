// SPDX-License-Identifier: MIT
#include "tests/formats/overlapping_load.h"

#include <algorithm>
#include <chrono>
#include <coroutine>
#include <system_error>

#include "formats/clusters/aligned_bytes.h"
#include "ring/sizes.h"

namespace tapring {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""us;
using Ticket = sim::DiskModel::Ticket;

constexpr double kPause = 0.1;
constexpr sim::Latency kPauses{1us, 5ms};

}  // namespace

OverlappingLoad::OverlappingLoad(ServedImage& image, sim::DiskModel& model, sim::Random& random,
                                 const Options& options)
    : image_(image),
      model_(model),
      random_(random),
      left_(options.requests),
      depth_(options.depth),
      may_fail_(options.may_fail),
      hot_(random.below(image.geometry().size_bytes / kSectorBytes)) {}

void OverlappingLoad::begin() {
  clients_ = depth_;
  for (unsigned i = 0; i < depth_; ++i) {
    image_.loop().post([this] { client(); });
  }
}

void OverlappingLoad::stop() noexcept {
  left_ = 0;
  may_fail_ = true;
}

Detached OverlappingLoad::client() {
  while (left_ > 0 && !lost_) {
    --left_;
    if (random_.chance(kPause)) co_await pause();
    co_await request();
  }
  --clients_;
}

Task<Error> OverlappingLoad::request() {
  const uint64_t choice = random_.below(100);
  if (choice < 15) return flush();
  if (choice < 30 && image_.geometry().discard_granularity > 0) return discard();
  const Range range = draw_range();
  return choice < 50 ? read(range) : write(range);
}

OverlappingLoad::Range OverlappingLoad::draw_range() {
  const uint64_t end = image_.geometry().size_bytes / kSectorBytes;
  uint64_t sector = random_.below(end);
  if (random_.chance(0.5)) sector = std::min(hot_ + random_.below(64), end - 1);
  const uint64_t most = random_.chance(0.1) ? 400 : 40;
  return {sector, random_.between(1, std::min(most, end - sector))};
}

void OverlappingLoad::judge(const char* what, Error error) {
  if (!error) return;
  ++failed_;
  if (may_fail_ || !wrong_.empty()) return;
  wrong_ = std::string(what) + " failed on sound storage: " + error.message();
}

Task<Error> OverlappingLoad::read(Range range) {
  AlignedBytes data(range.sectors * kSectorBytes);
  const Ticket read = model_.begin_read();
  const iovec whole = data.buffer();
  const Error error = co_await image_.image().read(range.sector * kSectorBytes, {&whole, 1});
  judge("a read", error);
  if (error) {
    model_.forget_read(read);
    co_return error;
  }
  const auto wrong = model_.end_read(read, range.sector, data.span());
  if (wrong && wrong_.empty()) wrong_ = "a read: " + *wrong;
  co_return error;
}

Task<Error> OverlappingLoad::write(Range range) {
  AlignedBytes data(range.sectors * kSectorBytes);
  const Ticket write = model_.begin_write(range.sector, range.sectors);
  sim::DiskModel::fill(write, range.sector, data.span());
  const iovec whole = data.buffer();
  const Error error = co_await image_.image().write(range.sector * kSectorBytes, {&whole, 1});
  judge("a write", error);
  model_.end_write(write, !error);
  co_return error;
}

/// Of what is not in whole clusters it may do any part.
Task<Error> OverlappingLoad::discard() {
  const uint64_t end = image_.geometry().size_bytes / kSectorBytes;
  const uint64_t unit = std::max<uint64_t>(image_.geometry().discard_granularity / kSectorBytes, 1);
  const bool whole = random_.chance(0.8) && end >= unit;
  Range range = draw_range();
  if (whole) {
    range.sector = std::min(range.sector / unit, end / unit - 1) * unit;
    range.sectors = random_.between(1, std::min<uint64_t>(4, (end - range.sector) / unit)) * unit;
  }
  const Ticket discard = model_.begin_discard(range.sector, range.sectors);
  const Error error =
      co_await image_.image().discard(range.sector * kSectorBytes, range.sectors * kSectorBytes);
  if (error != std::errc::operation_not_supported) judge("a discard", error);
  model_.end_write(discard, whole && !error);
  co_return error;
}

Task<Error> OverlappingLoad::flush() {
  const Ticket flush = model_.begin_flush();
  const Error error = co_await image_.image().flush();
  judge("a flush", error);
  model_.end_flush(flush, !error);
  if (error == std::errc::state_not_recoverable) lost_ = true;
  co_return error;
}

Task<Error> OverlappingLoad::pause() {
  struct Suspended {
    ServedImage& image;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiter) {
      image.world().after(kPauses,
                          [this, waiter] { image.loop().post([waiter] { waiter.resume(); }); });
    }
    void await_resume() const noexcept {}
  };
  co_await Suspended{image_};
  co_return Error{};
}

}  // namespace tapring
