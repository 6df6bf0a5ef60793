// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "formats/clusters/cut.h"
#include "formats/clusters/fault.h"
#include "formats/clusters/host_file.h"
#include "formats/clusters/metadata_map.h"

namespace tapring {

/// Writes the tables of an image in use. Nothing else does: a table goes only to clusters that hold
/// one of its kind, so no entry that was believed too soon makes it land on another.
class TableWriter {
 public:
  TableWriter(HostFile& file, const MetadataMap& metadata) noexcept
      : file_(file), metadata_(metadata) {}

  /// Fault::metadata_overlap if some of the clusters hold no such table; then nothing is written.
  Task<Error> write(MetadataMap::Table table, uint64_t offset, Buffers from) {
    if (!metadata_.holds(table, offset, bytes_of(from))) co_return Fault::metadata_overlap;
    co_return co_await file_.write(offset, from);
  }

  Task<Error> sync() { return file_.sync(); }

 private:
  HostFile& file_;
  const MetadataMap& metadata_;
};

}  // namespace tapring
