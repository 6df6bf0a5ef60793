// SPDX-License-Identifier: MIT
#include "tests/sim/load.h"

#include <algorithm>

namespace tapring::sim {
namespace {

// A barrier cannot be indirect.
constexpr uint32_t kBarrierSectors = (kGuestSegments - 1) * 8;

}  // namespace

SimLoad::SimLoad(SimWorld& world, SimFrontend& frontend, LoadOptions options)
    : world_(world), frontend_(frontend), options_(options) {
  for (unsigned i = 0; i < options_.depth; ++i) issue();
}

void SimLoad::issue() {
  if (issued_ == options_.requests || !frontend_.connected()) return;
  ++issued_;
  Random& random = world_.random();
  const auto done = [this, begun = world_.now()](int16_t status) { answered(status, begun); };
  if (random.chance(options_.flushes)) return frontend_.flush(done);
  const uint64_t region = std::min(frontend_.sectors(), options_.region_sectors);
  uint64_t most = std::min<uint64_t>({options_.most_sectors, frontend_.most_sectors(), region});
  // Most requests of a guest are small, and few are of the largest size.
  if (random.chance(0.9)) most = std::min<uint64_t>(most, random.chance(0.6) ? 8 : 256);
  const auto sectors = static_cast<uint32_t>(random.between(1, most));
  const uint64_t begin = options_.at_end ? frontend_.sectors() - region : 0;
  const uint64_t sector = begin + random.below(region - sectors + 1);
  const bool changes = !frontend_.read_only();
  if (changes && random.chance(options_.barriers)) {
    return frontend_.barrier(sector, std::min(sectors, kBarrierSectors), done);
  }
  if (frontend_.discards() && random.chance(options_.discards)) {
    return frontend_.discard(sector, sectors, done);
  }
  if (changes && random.chance(options_.writes)) {
    frontend_.write(sector, sectors, done);
  } else {
    frontend_.read(sector, sectors, done);
  }
}

void SimLoad::answered(int16_t status, Time begun) {
  ++answered_;
  slowest_ = std::max(slowest_, world_.now() - begun);
  if (status != kGuestOkay) ++failed_;
  issue();
}

}  // namespace tapring::sim
