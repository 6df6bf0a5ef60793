// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <vector>

#include "formats/clusters/aligned_bytes.h"
#include "formats/clusters/decompressor.h"
#include "formats/clusters/host_file.h"
#include "formats/qcow2/bytes/entry.h"
#include "ring/loop.h"
#include "ring/waiting.h"

namespace tapring {

/// Reads compressed clusters, and keeps the last few: a guest reads a cluster in several requests.
class CompressedClusters {
 public:
  using Content = std::shared_ptr<const AlignedBytes>;

  /// So many bytes of unpacked clusters are kept, or one cluster where that is larger.
  static constexpr uint64_t kKeptBytes = uint64_t{1} << 20;
  /// A smaller cluster is unpacked on the loop: that takes no longer than asking another thread.
  static constexpr uint64_t kAsideBytes = 16384;
  /// How many are read and unpacked at once, as each takes memory for two clusters. Others wait.
  static constexpr int kMaxLoads = 8;

  CompressedClusters(Loop& loop, HostFile& file, const qcow2::Layout& layout,
                     qcow2::Compression compression)
      : loop_(loop), file_(file), layout_(layout), compression_(compression), slot_freed_(loop) {}

  /// A whole cluster, by the first word of its L2 entry.
  Task<Result<Content>> read(uint64_t word);

 private:
  struct Cluster {
    Cluster(Loop& loop, uint64_t entry_word) : word(entry_word), loaded(loop) {}
    uint64_t word;
    bool loading = true;
    Error error;
    std::shared_ptr<AlignedBytes> content;
    WaitQueue loaded;
  };

  Task<Error> load_in_turn(Cluster& cluster);
  Task<Error> load(Cluster& cluster);
  Task<Error> unpack(std::span<const std::byte> from, std::span<std::byte> to);
  void make_room();

  Loop& loop_;
  HostFile& file_;
  qcow2::Layout layout_;
  qcow2::Compression compression_;
  std::vector<std::unique_ptr<Decompressor>> idle_;  ///< as many as were needed at once
  std::list<std::shared_ptr<Cluster>> clusters_;  ///< the last used first
  int loads_ = 0;
  WaitQueue slot_freed_;
};

}  // namespace tapring
