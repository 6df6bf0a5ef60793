// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "formats/qcow2/bytes/layout.h"

namespace tapring {

/// Which clusters of an image's file hold its tables: no two of them may share one, and no guest's
/// data may be written there.
class MetadataRegions {
 public:
  enum class Table : uint8_t {
    header,
    l1,
    l2,
    refcount_table,
    refcount_block,
    snapshot_table,
    snapshot_l1,
  };

  explicit MetadataRegions(const qcow2::Layout& layout) noexcept : layout_(layout) {}

  /// Before settle(). `offset` begins a cluster.
  void add(Table table, uint64_t offset, uint64_t bytes);

  /// Why the tables that were added cannot all be there, such as two that overlap; nullopt if they
  /// can. `file_bytes`: the size of the file, whose last cluster need not be whole.
  std::optional<std::string> settle(uint64_t file_bytes);

  /// Whether any of these bytes of the file belong to a table.
  bool hits(uint64_t offset, uint64_t bytes) const noexcept;

  /// Whether all of these bytes of the file belong to tables of this kind.
  bool holds(Table table, uint64_t offset, uint64_t bytes) const noexcept;

  /// After settle(): these clusters become tables, which is told before they are written; or they
  /// are none any more.
  void insert(Table table, uint64_t offset, uint64_t bytes);
  void remove(uint64_t offset, uint64_t bytes);

 private:
  struct Range {
    uint64_t begin;
    uint64_t end;
    Table table;
  };

  std::optional<Table> table_at(uint64_t cluster) const noexcept;
  Range single(std::size_t index) const noexcept;

  qcow2::Layout layout_;
  std::vector<uint64_t> singles_;  ///< tables of one cluster: the offset, and in its low bits which
  std::vector<Range> ranges_;
  std::unordered_map<uint64_t, Table> inserted_;
  std::unordered_set<uint64_t> removed_;
};

}  // namespace tapring
