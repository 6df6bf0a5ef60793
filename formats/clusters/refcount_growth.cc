// SPDX-License-Identifier: MIT
// Refcounts for clusters that had none: a block more, or a larger table.
#include <algorithm>
#include <cstring>
#include <utility>

#include "formats/clusters/image_errc.h"
#include "formats/clusters/refcounts.h"
#include "formats/qcow2/bytes/refcount_entry.h"
#include "ring/sizes.h"

namespace tapring {

using qcow2::Header;
using qcow2::store;
using qcow2::store_refcount;

namespace {

using Table = MetadataRegions::Table;

}  // namespace

/// The block goes into the first of the clusters that it counts: none of them is in use.
Task<Error> Refcounts::make_block(uint64_t table_index) {
  const uint64_t cluster = table_index * layout_.refcount_block_entries();
  const uint64_t offset = cluster << layout_.cluster_bits;
  const Error unsettled = co_await settle_header();
  if (unsettled) co_return unsettled;
  if (metadata_.hits(offset, 1)) co_return ImageErrc::metadata_overlap;
  AlignedBytes block(layout_.cluster_bytes());
  store_refcount(block.span(), 0, layout_.refcount_order, 1);
  metadata_.insert(Table::refcount_block, offset, block.size());
  const Error error = co_await write_block(table_index, offset, block);
  if (error) {
    metadata_.remove(offset, block.size());
    co_return error;
  }
  place_.table[table_index] = offset;
  cache_.replace(offset, block.span());
  first_never_written_ = std::max(first_never_written_, cluster + 1);
  co_return Error{};
}

/// The block is durable before the table names it, and the table is synced before anything refers
/// to what it counts.
Task<Error> Refcounts::write_block(uint64_t table_index, uint64_t offset, AlignedBytes& block) {
  const iovec whole = block.buffer();
  Error error = co_await tables_.write(Table::refcount_block, offset, {&whole, 1});
  if (!error) error = co_await tables_.sync();
  if (error) co_return error;
  const uint64_t in_sector = kSectorBytes / 8;
  const uint64_t first = table_index / in_sector * in_sector;
  AlignedBytes sector(kSectorBytes);
  for (uint64_t i = 0; i < in_sector && first + i < place_.table.size(); ++i) {
    const uint64_t entry = first + i == table_index ? offset : place_.table[first + i];
    store(sector.span(), i * 8, entry);
  }
  const iovec entries = sector.buffer();
  co_return co_await tables_.write(Table::refcount_table, place_.offset + first * 8,
                                   {&entries, 1});
}

/// After a failed write the header may name either table, which does no harm as long as both say
/// the same. So the header must be written before either table changes.
Task<Error> Refcounts::settle_header() {
  if (!header_unsure_) co_return Error{};
  const Error error = co_await header_.write();
  if (!error) header_unsure_ = false;
  co_return error;
}

void Refcounts::set_in_header(uint64_t table, uint64_t bytes) noexcept {
  header_.set(Header::kRefcountTableAt, table);
  header_.set(Header::kRefcountClustersAt, static_cast<uint32_t>(bytes >> layout_.cluster_bits));
}

/// The new table, and the blocks that count its clusters, go behind everything that the old table
/// counts.
Task<Error> Refcounts::grow_table() {
  const Error unsettled = co_await settle_header();
  if (unsettled) co_return unsettled;
  const uint64_t cluster_bytes = layout_.cluster_bytes();
  const uint64_t old_bytes = place_.table.size() * 8;
  const uint64_t bytes =
      std::min(std::max(old_bytes * 2, cluster_bytes), Header::kMaxRefcountTableBytes);
  if (bytes <= old_bytes) co_return ImageErrc::image_full;
  const uint64_t first = clusters_counted();
  const uint64_t table_clusters = bytes / cluster_bytes;
  const uint64_t entries = layout_.refcount_block_entries();
  const uint64_t blocks = (table_clusters + entries - 2) / (entries - 1);
  if (metadata_.hits(first * cluster_bytes, (blocks + table_clusters) * cluster_bytes)) {
    co_return ImageErrc::metadata_overlap;
  }
  std::vector<uint64_t> table = place_.table;
  table.resize(bytes / 8);
  const uint64_t index = place_.table.size();
  if (index + blocks > table.size()) co_return ImageErrc::image_full;
  for (uint64_t i = 0; i < blocks; ++i) table[index + i] = (first + i) * cluster_bytes;
  const HostRange old{place_.offset, old_bytes};
  const Error error = co_await write_grown(first, blocks, std::move(table));
  if (error) co_return error;
  metadata_.remove(old.offset, old.bytes);
  // If this fails, the old table stays taken.
  co_await release(old);
  co_return Error{};
}

Task<Error> Refcounts::write_grown(uint64_t first, uint64_t blocks, std::vector<uint64_t> table) {
  const uint64_t cluster_bytes = layout_.cluster_bytes();
  const uint64_t entries = layout_.refcount_block_entries();
  const uint64_t used = blocks + table.size() * 8 / cluster_bytes;
  const uint64_t begin = first * cluster_bytes;
  const uint64_t offset = begin + blocks * cluster_bytes;
  AlignedBytes block_bytes(blocks * cluster_bytes);
  for (uint64_t cluster = 0; cluster < used; ++cluster) {
    const auto block = block_bytes.span().subspan(cluster / entries * cluster_bytes, cluster_bytes);
    store_refcount(block, cluster % entries, layout_.refcount_order, 1);
  }
  AlignedBytes table_bytes(table.size() * 8);
  for (std::size_t i = 0; i < table.size(); ++i) store(table_bytes.span(), i * 8, table[i]);
  const iovec all_blocks = block_bytes.buffer();
  const iovec whole_table = table_bytes.buffer();
  metadata_.insert(Table::refcount_block, begin, block_bytes.size());
  metadata_.insert(Table::refcount_table, offset, table_bytes.size());
  Error error = co_await tables_.write(Table::refcount_block, begin, {&all_blocks, 1});
  if (!error) {
    error = co_await tables_.write(Table::refcount_table, offset, {&whole_table, 1});
  }
  if (!error) error = co_await tables_.sync();
  if (!error) {
    set_in_header(offset, table_bytes.size());
    error = co_await header_.write();
    if (error) {
      set_in_header(place_.offset, place_.table.size() * 8);
      header_unsure_ = true;
    }
  }
  if (error) {
    metadata_.remove(begin, used * cluster_bytes);
    co_return error;
  }
  for (uint64_t at = 0; at < block_bytes.size(); at += cluster_bytes) {
    cache_.replace(begin + at, block_bytes.span().subspan(at, cluster_bytes));
  }
  place_ = {std::move(table), offset};
  first_never_written_ = std::max(first_never_written_, first + used);
  co_return Error{};
}

}  // namespace tapring
