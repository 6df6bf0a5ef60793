// SPDX-License-Identifier: MIT
// An image file of any bytes, opened by each driver; what opens is read, written, flushed and given
// back.
#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <system_error>
#include <vector>

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
constexpr std::size_t kActions = 6;
constexpr std::size_t kMostSectors = 128;

tapring::Detached act(Image& image, const tapring::Geometry& geometry, FuzzedDataProvider& input,
                      bool& done) {
  const uint64_t size_bytes = geometry.size_bytes;
  const bool may_discard = geometry.discard_granularity > 0;
  bool writable = !geometry.read_only;
  for (std::size_t i = 0; i < kActions && input.remaining_bytes() > 0; ++i) {
    const auto sector = input.ConsumeIntegralInRange<uint64_t>(0, size_bytes / kSector - 1);
    const uint64_t most = std::min<uint64_t>(size_bytes / kSector - sector, kMostSectors);
    const auto sectors = input.ConsumeIntegralInRange<uint64_t>(1, most);
    std::vector<std::byte> data(sectors * kSector, std::byte{0xA5});
    const iovec whole{data.data(), data.size()};
    const auto choice = input.ConsumeIntegralInRange<unsigned>(0, 4);
    if (choice == 3) {
      const Error error = co_await image.flush();
      if (error) writable = false;
    } else if (choice == 4 && writable && may_discard) {
      co_await image.discard(sector * kSector, sectors * kSector);
    } else if (choice == 2 && writable) {
      co_await image.write(sector * kSector, {&whole, 1});
    } else {
      co_await image.read(sector * kSector, {&whole, 1});
    }
  }
  co_await image.close();
  done = true;
}

void serve(std::unique_ptr<OpenImage> open, FuzzedDataProvider& input) {
  const tapring::Geometry geometry = open->geometry();
  assert(geometry.size_bytes > 0 && geometry.size_bytes % kSector == 0);
  assert(geometry.physical_sector_bytes >= kSector);
  tapring::sim::SimWorld world(1);
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
  const auto actions = input.ConsumeBytes<uint8_t>(16);
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
  FuzzedDataProvider choices(actions.data(), actions.size());
  serve(std::move(open), choices);
  return 0;
}
