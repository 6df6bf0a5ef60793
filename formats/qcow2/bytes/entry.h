// SPDX-License-Identifier: MIT
// What entries of L1 and L2 tables say. An image may have anything in them, and flags are believed
// when a guest writes: so their words are parsed here, once, into values that make sense.
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

/// The words of an entry of an L2 table, in the byte order of this machine, and as version 2 has
/// them: whatever the table has there.
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

/// What an entry of an L2 table says of its cluster. Words that contradict each other, or the
/// image, make an invalid one, and then nothing of them is believed.
class Entry {
 public:
  constexpr Entry() noexcept = default;  ///< unallocated

  /// `guest`: where the cluster begins on the disk. In an external data file it begins there too.
  static Entry parse(const Layout& layout, const EntryWords& words, uint64_t guest) noexcept;

  /// Reads as zeros, and has no room in the file.
  static Entry zeros(const Layout& layout) noexcept;
  /// Has a cluster of the file, which nothing else has; not its units yet.
  static Entry own(uint64_t host) noexcept { return Entry(Place::own, host); }

  bool operator==(const Entry&) const = default;

  bool valid() const noexcept { return place_ != Place::invalid; }
  bool compressed() const noexcept { return place_ == Place::compressed; }
  bool has_host() const noexcept { return place_ == Place::own || place_ == Place::shared; }
  /// It may be written where it is.
  bool has_own_host() const noexcept { return place_ == Place::own; }
  uint64_t host() const noexcept { return has_host() ? word_ : 0; }
  uint64_t compressed_word() const noexcept { return compressed() ? word_ : 0; }

  /// Of the unit that has this index in the cluster: 0 where there are no subclusters.
  ExtentKind kind(uint32_t unit) const noexcept;
  bool has_data() const noexcept { return (units_ & kAllocated) != 0; }

  /// Those units are data now; has_host() is true.
  void set_data(uint32_t first_unit, uint32_t units) noexcept;
  /// The units of a cluster that moves to where this one is.
  void take_units(const Entry& old) noexcept { units_ = old.units_; }

  /// For the table. Not of an invalid one.
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

/// Where the data of a compressed cluster lie: any bytes, to the end of a sector.
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
