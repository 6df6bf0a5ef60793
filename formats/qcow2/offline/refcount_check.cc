// SPDX-License-Identifier: MIT
#include "formats/qcow2/offline/refcount_check.h"

#include <algorithm>
#include <utility>

#include "formats/clusters/blocking_io.h"
#include "formats/qcow2/bytes/refcount_entry.h"
#include "formats/qcow2/offline/read_tables.h"
#include "formats/qcow2/offline/reference_walk.h"

namespace tapring::qcow2 {
namespace {

constexpr uint64_t kReservedBits = 0x1FF;

}  // namespace

uint64_t counted_end(const OpenFile& file, const Layout& layout,
                     const ReferenceCounts& counts) noexcept {
  return std::max(counts.end(), layout.round_up(file.size_bytes) >> layout.cluster_bits);
}

RefcountCheck::RefcountCheck(const OpenFile& file, const Header& header, ReferenceCounts& counts,
                             Findings& findings)
    : file_(file), header_(header), layout_(header.layout), counts_(counts), findings_(findings) {
  auto table = read_refcount_table(file, header);
  if (table) {
    blocks_ = std::move(*table);
  } else {
    table_fault_ = table.error();
  }
}

void RefcountCheck::count_tables() {
  if (table_fault_) {
    table_usable_ = false;
    findings_.corruption([this] { return *table_fault_; });
    end_ = counted_end(file_, layout_, counts_);
    return;
  }
  const uint64_t table = header_.refcount_table_offset >> layout_.cluster_bits;
  for (uint64_t i = 0; i < header_.refcount_table_clusters; ++i) counts_.add(table + i, 1);
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    uint64_t& block = blocks_[i];
    if (block == 0) continue;
    const bool reserved = (block & kReservedBits) != 0;
    const bool aligned = layout_.in_cluster(block & ~kReservedBits) == 0;
    if (!reserved && aligned && lies_inside(file_, layout_, block, layout_.cluster_bytes())) {
      counts_.add(block >> layout_.cluster_bits, 1);
      continue;
    }
    findings_.corruption([&] {
      return "entry " + std::to_string(i) + " of the refcount table " +
             (reserved  ? "has reserved bits set"
              : aligned ? "leads out of the file"
                        : "leads to no beginning of a cluster");
    });
    block = 0;
  }
  for (uint64_t i = 0; i < header_.refcount_table_clusters; ++i) {
    table_usable_ = table_usable_ && counts_.of(table + i) == 1;
  }
  if (!table_usable_) {
    findings_.corruption([] { return "the refcount table overlaps something else"; });
  }
  end_ = counted_end(file_, layout_, counts_);
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    if (blocks_[i] == 0 || counts_.of(blocks_[i] >> layout_.cluster_bits) == 1) continue;
    findings_.corruption([&] {
      return "the refcount block at byte " + std::to_string(blocks_[i]) +
             " overlaps something else";
    });
    counts_.remove_one(blocks_[i] >> layout_.cluster_bits);
    blocks_[i] = 0;
  }
}

void RefcountCheck::judge(uint64_t cluster, uint64_t refcount) {
  const uint32_t references = counts_.of(cluster);
  if (references == refcount) return;
  const bool is_too_many = references > layout_.max_refcount();
  const auto remedy = [this] {
    const uint32_t bits = layout_.refcount_bits();
    return ", more than refcounts of " + std::to_string(bits) +
           " bits can say (qemu-img amend -o refcount_bits=" + (bits < 16 ? "16" : "64") +
           ", then repair; or qemu-img convert makes a whole copy)";
  };
  const auto text = [&] {
    return "the cluster at byte " + std::to_string(cluster << layout_.cluster_bits) +
           " has a refcount of " + std::to_string(refcount) + ", and " +
           std::to_string(references) + " references" + (is_too_many ? remedy() : "");
  };
  if (refcount > references) {
    findings_.leak(text);
    const uint64_t times = std::min<uint64_t>(refcount - references, kMostLeaked - leaked_.size());
    leaked_.insert(leaked_.end(), times, cluster);
  } else {
    findings_.corruption(text);
  }
  // Behind the end nothing leads to it, and an image could make us remember any number of those.
  if (cluster < end_ && !is_too_many) counts_.set(cluster, refcount);
}

void RefcountCheck::compare_without_block(uint64_t begin, uint64_t end) {
  counts_.for_each(begin, end, [this](uint64_t cluster, uint32_t) { judge(cluster, 0); });
}

void RefcountCheck::compare_slice(uint64_t first, uint64_t end, std::span<const std::byte> slice) {
  for (uint64_t cluster = first; cluster < end; ++cluster) {
    judge(cluster, load_refcount(slice, cluster - first, layout_.refcount_order));
  }
}

void RefcountCheck::compare(std::size_t block) {
  const uint64_t entries = layout_.refcount_block_entries();
  const uint64_t begin = block * entries;
  if (blocks_[block] == 0) {
    compare_without_block(begin, begin + entries);
    return;
  }
  const uint64_t slice_entries = layout_.refcount_slice_entries();
  for (uint64_t done = 0; done < entries; done += slice_entries) {
    const uint64_t offset = blocks_[block] + done * layout_.refcount_bits() / 8;
    const uint64_t first = begin + done;
    if (!may_have_data(file_, offset, layout_.slice_bytes())) {
      compare_without_block(first, first + slice_entries);
      continue;
    }
    const AlignedBytes slice = read_bytes(file_, offset, layout_.slice_bytes());
    compare_slice(first, first + slice_entries, slice.span());
  }
}

void RefcountCheck::compare_rest() {
  compare_without_block(blocks_.size() * layout_.refcount_block_entries(), UINT64_MAX);
}

}  // namespace tapring::qcow2
