// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "formats/clusters/buffer_slice.h"
#include "formats/clusters/host_file.h"
#include "formats/clusters/image_errc.h"
#include "formats/clusters/metadata_regions.h"

namespace tapring {

/// Writes the tables of an image in use. Nothing else does: a table goes only to clusters that hold
/// one of its kind, so no entry that was believed too soon makes it land on another.
class TableWriter {
 public:
  TableWriter(HostFile& file, const MetadataRegions& metadata) noexcept
      : file_(file), metadata_(metadata) {}

  /// ImageErrc::metadata_overlap if some of the clusters hold no such table; then nothing is
  /// written.
  Task<Error> write(MetadataRegions::Table table, uint64_t offset, Buffers from) {
    if (!metadata_.holds(table, offset, bytes_of(from))) co_return ImageErrc::metadata_overlap;
    co_return co_await file_.write(offset, from);
  }

  Task<Error> sync() { return file_.sync(); }

 private:
  HostFile& file_;
  const MetadataRegions& metadata_;
};

}  // namespace tapring
