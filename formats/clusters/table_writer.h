// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "formats/clusters/buffer_slice.h"
#include "formats/clusters/host_file.h"
#include "formats/clusters/image_errc.h"
#include "formats/clusters/metadata_regions.h"

namespace tapring {

/// Writes the tables of an image in use; nothing else does. It writes a table only to clusters that
/// hold a table of that kind, so that a bad entry that was believed cannot make it overwrite
/// others.
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
