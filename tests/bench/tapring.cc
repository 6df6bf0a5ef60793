// SPDX-License-Identifier: MIT
#include "tests/bench/tapring.h"

#include <stdexcept>
#include <utility>

#include "formats/format.h"

namespace tapring::bench {

Tapring::Tapring(const std::string& path, const std::string& format, const Workload& workload)
    : memory_(Guest::pages_for(workload)), worker_(loop_, memory_, events_, kArenaBytes) {
  if (!loop_.register_memory(worker_.buffers().arena())) {
    throw std::runtime_error("bounce memory cannot be registered: raise ulimit -l");
  }
  ImageOptions options;
  options.path = path;
  auto image = find_format(format)->open(options);
  const Geometry geometry = image->geometry();
  guest_ = std::make_unique<Guest>(loop_, memory_, events_, workload, geometry.size_bytes);
  const DiskOptions disk_options{"bench", 1, geometry, guest_->rings(), RingHistory::fresh};
  disk_ = std::make_shared<Disk>(worker_, std::move(image), disk_options,
                                 std::make_shared<DiskStats>());
}

void Tapring::serve_while(const std::function<bool()>& wanted) {
  loop_.post([this] { guest_->start(); });
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
