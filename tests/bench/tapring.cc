// SPDX-License-Identifier: MIT
#include "tests/bench/tapring.h"

#include <stdexcept>
#include <utility>

#include "formats/format.h"

namespace tapring::bench {

Tapring::Tapring(const std::string& path, const std::string& format, const Workload& workload)
    : memory_(Guest::pages_for(workload)),
      worker_(loop_, memory_, events_, kArenaBytes),
      guest_turn_(*this) {
  // The first part of it is registered by now, or none is going to be.
  if (!loop_.memory().holds_any()) {
    throw std::runtime_error("bounce memory cannot be registered: raise ulimit -l");
  }
  ImageOptions options;
  options.path = path;
  auto image = find_format(format)->open(options);
  const Geometry geometry = image->geometry();
  const Region region{0, geometry.size_bytes / workload.block_bytes};
  guest_ = std::make_unique<Guest>(memory_, 0, workload, region, 1);
  const RingSetup rings{Abi::x86_64, "x86_64-abi", {guest_->setup(1)}};
  const DiskOptions disk_options{"bench", 1, geometry, rings, {}};
  disk_ = std::make_shared<Disk>(worker_, std::move(image), disk_options,
                                 std::make_shared<DiskStats>());
  disk_->start();
}

bool Tapring::GuestTurn::flush() {
  if (!tapring_.guest_->collect()) return false;
  if (tapring_.guest_->issue()) tapring_.events_.send();
  return true;
}

void Tapring::serve_while(const std::function<bool()>& wanted) {
  loop_.post([this] {
    if (guest_->issue()) events_.send();
  });
  while (wanted()) loop_.turn(true);
}

void Tapring::end() {
  guest_->stop();
  while (guest_->in_flight() > 0) loop_.turn(true);
  bool ended = false;
  disk_->end(Disk::Ending::abandon, [&ended] { ended = true; });
  while (!ended) loop_.turn(true);
  if (guest_->failures() > 0) throw std::runtime_error("requests failed");
}

}  // namespace tapring::bench
