// SPDX-License-Identifier: MIT
#include "tests/pretend/stream_work.h"

#include <algorithm>
#include <bit>

namespace tapring::pretend {
namespace {

constexpr uint32_t kEntriesOfPage = 32;

}  // namespace

unsigned StreamWork::ring_order() const noexcept {
  const uint32_t pages = (depth + kEntriesOfPage - 1) / kEntriesOfPage;
  return static_cast<unsigned>(std::bit_width(std::max(pages, 1U) - 1));
}

StreamPlan::StreamPlan(const StreamWork& work, uint64_t disk_sectors, uint32_t queue)
    : work_(work),
      blocks_(disk_sectors / work.block_sectors()),
      block_(blocks_ * queue / work.queues),
      random_(queue) {}

StreamPlan::Step StreamPlan::next() noexcept {
  Step step{work_.operation == StreamWork::Operation::write, 0};
  if (work_.operation == StreamWork::Operation::mixed) step.writes = random_.below(2) == 1;
  if (work_.sequential) {
    step.sector = block_ * work_.block_sectors();
    if (++block_ == blocks_) block_ = 0;
  } else {
    step.sector = random_.below(blocks_) * work_.block_sectors();
  }
  return step;
}

}  // namespace tapring::pretend
