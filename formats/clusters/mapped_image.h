// SPDX-License-Identifier: MIT
// A qcow2 image on its loop.
#pragma once

#include <memory>
#include <optional>

#include "formats/clusters/cluster_map.h"
#include "formats/clusters/cluster_writer.h"
#include "formats/clusters/compressed_clusters.h"
#include "formats/clusters/host_file.h"
#include "formats/clusters/open_mapped_image.h"
#include "formats/clusters/table_cache.h"
#include "formats/image.h"

namespace tapring {

class MappedImage final : public Image {
 public:
  MappedImage(Loop& loop, OpenedImage opened);

  Task<Error> read(uint64_t offset, Buffers into) override;
  Task<Error> write(uint64_t offset, Buffers from) override;
  Task<Error> flush() override;
  Task<Error> discard(uint64_t offset, uint64_t bytes) override;
  Task<Result<uint64_t>> size() override;
  void report_to(std::shared_ptr<ImageEvents> events) noexcept override;
  Task<Error> close() override;

 private:
  HostFile& data() noexcept { return data_file_ ? *data_file_ : file_; }

  Task<Error> read_data(uint64_t host, Buffers into);
  Task<Error> read_parts(uint64_t offset, Buffers into);
  Task<Error> read_extent(Extent extent, uint64_t offset, Buffers into, uint64_t skip);
  Task<Error> read_backing(uint64_t offset, Buffers into);
  Task<Error> read_compressed(uint64_t word, uint64_t offset, Buffers into);

  qcow2::Layout layout_;
  GracePeriods grace_periods_;
  HostFile file_;
  std::optional<HostFile> data_file_;
  std::unique_ptr<Image> backing_;
  uint64_t backing_bytes_;
  TableCache tables_;
  ClusterMap map_;
  CompressedClusters compressed_;
  std::optional<ClusterWriter> writer_;  ///< unless it is read-only
};

}  // namespace tapring
