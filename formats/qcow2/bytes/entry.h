// SPDX-License-Identifier: MIT
// What entries of L1 and L2 tables say. An image may hold anything in them, and a guest's write
// trusts their flags. So their words are parsed in this one place, into values that make sense.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "formats/extent.h"
#include "formats/qcow2/bytes/layout.h"

namespace tapring::qcow2 {

/// An entry of an L1 table or the first word of one of an L2 table.
struct EntryBits {
  static constexpr uint64_t kCopied = uint64_t{1} << 63;  ///< its refcount is 1
  static constexpr uint64_t kCompressed = uint64_t{1} << 62;
  static constexpr uint64_t kZero = 1;
  static constexpr uint64_t kOffset = 0x00FF'FFFF'FFFF'FE00;
  static constexpr uint64_t kReservedL1 = ~(kCopied | kOffset);
};

/// An entry of an L1 table: the L2 table that it leads to, if any, and whether only the disk refers
/// to that. An entry without a table never says so.
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

  /// The word for the file, in the byte order of this machine.
  uint64_t word(const Layout& layout) const noexcept {
    return layout.version == 1 ? table() : word_;
  }

 private:
  explicit constexpr L1Entry(uint64_t word) noexcept : word_(word) {}

  uint64_t word_ = 0;
};

/// The words of an entry of an L2 table as they are there, unchecked: in the byte order of this
/// machine, and those of version 1 in the form of version 2.
struct EntryWords {
  uint64_t word = 0;
  uint64_t subclusters = 0;  ///< extended entries only: 32 bits "allocated", then 32 bits "zero"

  bool operator==(const EntryWords&) const = default;

  bool compressed() const noexcept { return (word & EntryBits::kCompressed) != 0; }
  bool copied() const noexcept { return (word & EntryBits::kCopied) != 0; }
  uint64_t host() const noexcept { return word & EntryBits::kOffset; }
  bool has_host(const Layout& layout) const noexcept {
    return !compressed() && (host() != 0 || (layout.external_data && copied()));
  }
};

EntryWords load_words(const Layout& layout, std::span<const std::byte> slice,
                      uint64_t index) noexcept;
void store_words(const Layout& layout, std::span<std::byte> slice, uint64_t index,
                 const EntryWords& words) noexcept;

/// What an entry of an L2 table says of its cluster. Words that contradict each other or the image
/// make an invalid entry, of which nothing is believed.
class Entry {
 public:
  constexpr Entry() noexcept = default;  ///< unallocated

  /// `guest`: where the cluster begins on the disk. In an external data file it begins there too.
  static Entry parse(const Layout& layout, const EntryWords& words, uint64_t guest) noexcept;

  /// Reads as zeros, and has no room in the file.
  static Entry zeros(const Layout& layout) noexcept;
  /// Has a cluster of the file that nothing else refers to; none of its units is data yet.
  static Entry own(uint64_t host) noexcept { return Entry(Place::own, host); }

  bool operator==(const Entry&) const = default;

  bool valid() const noexcept { return place_ != Place::invalid; }
  bool compressed() const noexcept { return place_ == Place::compressed; }
  bool has_host() const noexcept { return place_ == Place::own || place_ == Place::shared; }
  /// It may be written where it is.
  bool has_own_host() const noexcept { return place_ == Place::own; }
  uint64_t host() const noexcept { return has_host() ? word_ : 0; }
  uint64_t compressed_word() const noexcept { return compressed() ? word_ : 0; }

  /// The kind of a unit, by its index in the cluster: 0 where there are no subclusters.
  ExtentKind kind(uint32_t unit) const noexcept;
  bool has_data() const noexcept { return (units_ & kAllocated) != 0; }

  /// Makes these units data. Only where has_host().
  void set_data(uint32_t first_unit, uint32_t units) noexcept;
  /// Takes over the kinds of all units from a cluster whose data move to this one.
  void take_units(const Entry& old) noexcept { units_ = old.units_; }

  /// The words for the table. Not for an invalid entry.
  EntryWords words(const Layout& layout) const noexcept;

 private:
  enum class Place : uint8_t { none, shared, own, compressed, invalid };
  static constexpr uint64_t kAllocated = 0xFFFF'FFFF;

  constexpr Entry(Place place, uint64_t word, uint64_t units = 0) noexcept
      : place_(place), word_(word), units_(units) {}

  Place place_ = Place::none;
  uint64_t word_ = 0;   ///< the cluster's place in the file, or the word of a compressed one
  uint64_t units_ = 0;  ///< as EntryWords::subclusters; without subclusters of one unit
};

/// Where the data of a compressed cluster lie: they begin at any byte, and the range ends with a
/// sector.
struct CompressedPlace {
  uint64_t offset;
  uint64_t bytes;
};
CompressedPlace compressed_place(const Layout& layout, uint64_t word) noexcept;

/// The extent that begins at `offset`, as far as `slice` maps it and `bytes` reach. The slice is
/// the one of the offset.
Extent extent_at(const Layout& layout, std::span<const std::byte> slice, uint64_t offset,
                 uint64_t bytes) noexcept;

}  // namespace tapring::qcow2
