// SPDX-License-Identifier: MIT
// What entries of L1 and L2 tables say. An image may have anything in them, and flags are believed
// when a guest writes: so their words are parsed here, once, into values that make sense.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "formats/qcow2/layout.h"

namespace tapring::qcow2 {

/// An entry of an L1 table or the first word of one of an L2 table.
struct EntryBits {
  static constexpr uint64_t kCopied = uint64_t{1} << 63;  ///< its refcount is 1
  static constexpr uint64_t kCompressed = uint64_t{1} << 62;
  static constexpr uint64_t kZero = 1;
  static constexpr uint64_t kOffset = 0x00FF'FFFF'FFFF'FE00;
  static constexpr uint64_t kReservedL1 = ~(kCopied | kOffset);
};

/// An entry of an L1 table: the L2 table that it leads to, if any, and whether that is the disk's
/// alone. A table that is not there is nobody's.
class L1Entry {
 public:
  constexpr L1Entry() noexcept = default;  ///< leads to no table

  /// nullopt where reserved bits are set, or where the table would not begin at a cluster. A word
  /// that has the flag COPIED and no offset leads to no table.
  static std::optional<L1Entry> parse(const Layout& layout, uint64_t word) noexcept;

  /// Leads to a table that nothing else leads to.
  static L1Entry own(uint64_t table) noexcept { return L1Entry(table | EntryBits::kCopied); }

  bool has_table() const noexcept { return word_ != 0; }
  bool has_own_table() const noexcept { return (word_ & EntryBits::kCopied) != 0; }
  uint64_t table() const noexcept { return word_ & EntryBits::kOffset; }

  /// As it is in the file, in the byte order of this machine.
  uint64_t word(const Layout& layout) const noexcept {
    return layout.version == 1 ? table() : word_;
  }

 private:
  explicit constexpr L1Entry(uint64_t word) noexcept : word_(word) {}

  uint64_t word_ = 0;
};

/// An entry of an L2 table, in the byte order of this machine, and as version 2 has it.
struct Entry {
  uint64_t word = 0;
  uint64_t subclusters = 0;  ///< extended entries only: 32 bits "allocated", then 32 bits "zero"

  bool operator==(const Entry&) const = default;

  bool compressed() const noexcept { return (word & EntryBits::kCompressed) != 0; }
  bool copied() const noexcept { return (word & EntryBits::kCopied) != 0; }
  uint64_t host() const noexcept { return word & EntryBits::kOffset; }
  bool has_host(const Layout& layout) const noexcept {
    return !compressed() && (host() != 0 || (layout.external_data && copied()));
  }
};

Entry load_entry(const Layout& layout, std::span<const std::byte> slice, uint64_t index) noexcept;
void store_entry(const Layout& layout, std::span<std::byte> slice, uint64_t index,
                 const Entry& entry) noexcept;

enum class Kind : uint8_t {
  unallocated,  ///< read from the backing file
  zero,
  data,
  compressed,
  invalid,
};

/// Of the unit that has this index in its cluster; 0 where there are no subclusters.
Kind kind_of(const Layout& layout, const Entry& entry, uint32_t unit) noexcept;

/// Where the data of a compressed cluster lie: any bytes, to the end of a sector.
struct CompressedPlace {
  uint64_t offset;
  uint64_t bytes;
};
CompressedPlace compressed_place(const Layout& layout, const Entry& entry) noexcept;

/// A part of the guest's disk of one kind.
struct Extent {
  Kind kind = Kind::unallocated;
  uint64_t bytes = 0;
  uint64_t host = 0;  ///< data: where it begins in the data file. compressed: the entry's word
};

/// The extent that begins at `offset`, as far as `slice` maps it and `bytes` reach. The slice is
/// the one of the offset.
Extent extent_at(const Layout& layout, std::span<const std::byte> slice, uint64_t offset,
                 uint64_t bytes) noexcept;

}  // namespace tapring::qcow2
