// SPDX-License-Identifier: MIT
// An image file of any bytes, opened by each driver; what opens is read, written, flushed and given
// back, one by one and several at once.
#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "formats/clusters/join_set.h"
#include "formats/format.h"
#include "tests/fuzz/memory_file.h"
#include "tests/sim/loop.h"
#include "tests/sim/storage.h"
#include "tests/sim/world.h"

namespace {

using tapring::Error;
using tapring::Image;
using tapring::OpenImage;

constexpr uint64_t kSector = 512;
constexpr std::size_t kActionBytes = 64;
constexpr std::size_t kActions = 20;
constexpr std::size_t kMostAtOnce = 8;
constexpr std::size_t kMostSectors = 128;
/// Of an action: the next one begins before this one has ended.
constexpr uint8_t kGoesOn = 0x80;

struct Action {
  uint64_t offset;
  uint64_t bytes;
  uint8_t choice;
};

Action draw_action(const tapring::Geometry& geometry, FuzzedDataProvider& input) {
  const uint64_t end = geometry.size_bytes / kSector;
  const auto sector = input.ConsumeIntegralInRange<uint64_t>(0, end - 1);
  const uint64_t most = std::min<uint64_t>(end - sector, kMostSectors);
  const auto sectors = input.ConsumeIntegralInRange<uint64_t>(1, most);
  return {sector * kSector, sectors * kSector, input.ConsumeIntegral<uint8_t>()};
}

/// Has its memory to itself. `writable` is false once a flush has failed.
tapring::Task<Error> perform(Image& image, Action action, bool may_discard, bool& writable) {
  std::vector<std::byte> data(action.bytes, std::byte{0xA5});
  const iovec whole{data.data(), data.size()};
  const unsigned kind = action.choice % 5;
  if (kind == 3) {
    const Error error = co_await image.flush();
    if (error) writable = false;
    co_return error;
  }
  if (kind == 4 && writable && may_discard) {
    co_return co_await image.discard(action.offset, action.bytes);
  }
  if (kind == 2 && writable) co_return co_await image.write(action.offset, {&whole, 1});
  co_return co_await image.read(action.offset, {&whole, 1});
}

tapring::Detached act(Image& image, const tapring::Geometry& geometry, FuzzedDataProvider& input,
                      bool& done) {
  const bool may_discard = geometry.discard_granularity > 0;
  bool writable = !geometry.read_only;
  tapring::JoinSet at_once(kMostAtOnce);
  std::size_t under_way = 0;
  for (std::size_t i = 0; i < kActions && input.remaining_bytes() > 0; ++i) {
    const Action action = draw_action(geometry, input);
    at_once.add(perform(image, action, may_discard, writable));
    ++under_way;
    const bool goes_on = (action.choice & kGoesOn) != 0 && under_way < kMostAtOnce;
    while (!goes_on && under_way > 0) {
      co_await at_once.join_next();
      --under_way;
    }
  }
  while (!at_once.empty()) co_await at_once.join_next();
  co_await image.close();
  done = true;
}

void serve(std::unique_ptr<OpenImage> open, uint64_t seed, FuzzedDataProvider& input) {
  const tapring::Geometry geometry = open->geometry();
  assert(geometry.size_bytes > 0 && geometry.size_bytes % kSector == 0);
  assert(geometry.physical_sector_bytes >= kSector);
  tapring::sim::SimWorld world(seed);
  tapring::sim::SimStorage storage(world);
  tapring::sim::SimLoop loop(world, storage);
  std::unique_ptr<Image> image;
  bool done = false;
  loop.post([&] {
    image = open->serve_on(loop);
    act(*image, geometry, input, done);
  });
  [[maybe_unused]] const bool ended = world.run_until([&] { return done; });
  assert(ended);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  const std::span<const tapring::Format> formats = tapring::all_formats();
  const tapring::Format& format = formats[input.ConsumeIntegral<uint8_t>() % formats.size()];
  const bool read_only = input.ConsumeBool();
  auto actions = input.ConsumeBytes<uint8_t>(kActionBytes);
  actions.resize(kActionBytes);
  const tapring::fuzz::MemoryFile file(input.ConsumeRemainingBytes<std::byte>());
  std::unique_ptr<OpenImage> open;
  try {
    tapring::ImageOptions options;
    options.path = file.path();
    options.read_only = read_only;
    open = format.open(options);
  } catch (const std::system_error& error) {
    assert(std::string_view(error.what()).contains(file.path()));
    return 0;
  }
  // The first byte chooses the order in which what is under way ends.
  FuzzedDataProvider choices(actions.data() + 1, actions.size() - 1);
  serve(std::move(open), actions.front(), choices);
  return 0;
}
