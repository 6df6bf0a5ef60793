// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "formats/qcow2/bytes/header.h"
#include "formats/qcow2/offline/file_writer.h"
#include "formats/qcow2/offline/reference_counts.h"

namespace tapring::qcow2 {

/// Makes the refcounts of an image equal to the references that were counted. A power cut at any
/// moment leaves each refcount as it was or as it is to be, and the image no worse than before.
class RefcountRepair {
 public:
  /// What RefcountCheck found of the refcount table and its blocks.
  struct Tables {
    std::vector<uint64_t> blocks;
    bool table_usable = true;
  };

  /// `counts`: of all references, those of the refcount tables included. `header` is changed to
  /// where the refcount table is afterwards. `max_growth`: CheckOptions'.
  RefcountRepair(OpenFile& file, Header& header, ReferenceCounts& counts, Tables tables,
                 FileWriter& writer, uint64_t max_growth);

  /// Replaces the table and blocks that cannot be used, and makes missing ones, all past the end of
  /// the file: it writes to no cluster that something might refer to. Throws std::system_error,
  /// also where there is no room.
  void rebuild_tables();

  /// Corrects the refcounts in all blocks: with `raises` those that are too small, with `lowers`
  /// those that are too large. Where one stays as it is, the count is set to it. Returns whether
  /// all are right now.
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
