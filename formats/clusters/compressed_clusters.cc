// SPDX-License-Identifier: MIT
#include "formats/clusters/compressed_clusters.h"

#include <algorithm>

#include "formats/clusters/image_errc.h"
#include "ring/offload.h"
#include "ring/sizes.h"

namespace tapring {

using qcow2::CompressedPlace;

Task<Result<CompressedClusters::Content>> CompressedClusters::read(uint64_t word) {
  const auto found = std::ranges::find(clusters_, word, [](const auto& c) { return c->word; });
  if (found != clusters_.end()) {
    const std::shared_ptr<Cluster> cluster = *found;
    clusters_.splice(clusters_.begin(), clusters_, found);
    while (cluster->loading) co_await cluster->loaded.wait();
    if (cluster->error) co_return std::unexpected(cluster->error);
    co_return cluster->content;
  }
  const auto cluster = std::make_shared<Cluster>(loop_, word);
  clusters_.push_front(cluster);
  cluster->error = co_await load_in_turn(*cluster);
  cluster->loading = false;
  cluster->loaded.wake_all();
  if (cluster->error) {
    std::erase(clusters_, cluster);
    co_return std::unexpected(cluster->error);
  }
  make_room();
  co_return cluster->content;
}

Task<Error> CompressedClusters::load_in_turn(Cluster& cluster) {
  while (loads_ == kMaxLoads) co_await slot_freed_.wait();
  ++loads_;
  const Error error = co_await load(cluster);
  --loads_;
  slot_freed_.wake_all();
  co_return error;
}

Task<Error> CompressedClusters::load(Cluster& cluster) {
  const CompressedPlace place = compressed_place(layout_, cluster.word);
  const uint64_t begin = place.offset / kSectorBytes * kSectorBytes;
  if (begin >= file_.end()) co_return ImageErrc::compressed_outside;
  const uint64_t end = std::min(place.offset + place.bytes, file_.end());
  if (place.offset >= end) co_return ImageErrc::compressed_outside;
  AlignedBytes packed((end - begin + kSectorBytes - 1) / kSectorBytes * kSectorBytes);
  const iovec whole = packed.buffer();
  const Error error = co_await file_.read(begin, {&whole, 1});
  if (error) co_return error;
  cluster.content = std::make_shared<AlignedBytes>(layout_.cluster_bytes());
  const auto data = packed.span().subspan(place.offset - begin, end - place.offset);
  co_return co_await unpack(data, cluster.content->span());
}

Task<Error> CompressedClusters::unpack(std::span<const std::byte> from, std::span<std::byte> to) {
  if (idle_.empty()) idle_.push_back(std::make_unique<Decompressor>(compression_));
  std::unique_ptr<Decompressor> decompressor = std::move(idle_.back());
  idle_.pop_back();
  bool unpacked = false;
  const auto work = [&] { unpacked = decompressor->decompress(from, to); };
  if (to.size() < kAsideBytes) {
    work();
  } else {
    co_await Offload(loop_, work);
  }
  idle_.push_back(std::move(decompressor));
  co_return unpacked ? Error{} : Error{ImageErrc::compressed_damaged};
}

void CompressedClusters::make_room() {
  const std::size_t kept = std::max<std::size_t>(1, kKeptBytes >> layout_.cluster_bits);
  for (auto at = clusters_.end(); clusters_.size() > kept && at != clusters_.begin();) {
    at = std::prev(at);
    if (!(*at)->loading) at = clusters_.erase(at);
  }
}

}  // namespace tapring
