// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "formats/qcow2/bytes/header.h"
#include "formats/qcow2/offline/file_writer.h"
#include "formats/qcow2/offline/reference_counts.h"

namespace tapring::qcow2 {

/// Makes the refcounts of an image what was counted. At any moment the power may go: a refcount is
/// then what it was or what it is to be, and the image no worse than before.
class RefcountRepair {
 public:
  /// What is known of the refcounts there are, by RefcountCheck.
  struct Tables {
    std::vector<uint64_t> blocks;
    bool table_usable = true;
  };

  /// `counts`: of everything, those tables included. `header` learns where the table is then.
  /// `max_growth`: CheckOptions'.
  RefcountRepair(OpenFile& file, Header& header, ReferenceCounts& counts, Tables tables,
                 FileWriter& writer, uint64_t max_growth);

  /// Replaces what cannot be used of table and blocks, and makes what is missing, past the end of
  /// what the file has: no cluster is written that might be somebody's. Throws std::system_error,
  /// and where there is no room.
  void rebuild_tables();

  /// Makes the refcounts of all blocks right: with `raises` those that are too small, with `lowers`
  /// those that are too large. What stays as it is becomes the count. Whether all are right now.
  bool correct(bool raises, bool lowers);

 private:
  bool add_missing();
  bool place_table();
  uint64_t allocate(uint64_t clusters);
  void write_new_blocks();
  void write_table();
  bool lacks_blocks() const;
  bool correct_slice(uint64_t offset, uint64_t first, bool raises, bool lowers);
  bool correct_block(uint64_t block, uint64_t first, bool raises, bool lowers);

  OpenFile& file_;
  Header& header_;
  const Layout& layout_;
  ReferenceCounts& counts_;
  Tables tables_;
  FileWriter& writer_;
  std::map<uint64_t, uint64_t> new_blocks_;  ///< by number
  uint64_t max_growth_;
  uint64_t next_free_;
  uint64_t grown_ = 0;  ///< in bytes
  bool new_table_ = false;
};

}  // namespace tapring::qcow2
