// SPDX-License-Identifier: MIT
#include "formats/clusters/append_allocator.h"

#include "formats/clusters/image_errc.h"
#include "formats/qcow2/bytes/entry.h"

namespace tapring {

using qcow2::EntryBits;

Task<Result<ClusterAllocator::Allocation>> AppendAllocator::allocate(uint64_t clusters,
                                                                     bool /*may_grow*/) {
  const uint64_t bytes = clusters << layout_.cluster_bits;
  if (next_ + bytes > EntryBits::kOffset) co_return std::unexpected(ImageErrc::image_full);
  const HostRange range{next_, bytes};
  next_ += bytes;
  co_return Allocation{range, true};
}

}  // namespace tapring
