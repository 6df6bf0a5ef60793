// SPDX-License-Identifier: MIT
// The header of a qcow image, version 1: 48 bytes of QEMU's and, where blktap made it, 16 more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>

#include "formats/qcow2/bytes/layout.h"

namespace tapring::qcow {

struct Header {
  // QEMU's, which bound what makes us hold memory.
  static constexpr uint32_t kMinClusterBits = 9;
  static constexpr uint32_t kMaxClusterBits = 16;
  static constexpr uint32_t kMinL2Bits = 6;
  static constexpr uint32_t kMaxL2Bits = 13;
  static constexpr uint32_t kMaxBackingNameBytes = 1023;
  static constexpr uint64_t kMaxL1Bytes = uint64_t{32} << 20;

  static constexpr std::size_t kBytes = 48;
  static constexpr std::size_t kExtendedBytes = 64;

  qcow2::Layout layout;
  uint64_t l1_offset = 0;  ///< a multiple of 8
  uint64_t backing_name_offset = 0;
  uint32_t backing_name_bytes = 0;  ///< 0: there is no backing file
  uint32_t crypt_method = 0;        ///< 0: not encrypted; else see qcow2::crypt_name()
  /// The first versions of blktap wrote the L1 table in the byte order of their machine, which was
  /// an x86. All else is big-endian.
  bool little_endian_l1 = false;

  uint64_t l1_entries() const noexcept { return layout.l1_entries_for(layout.size_bytes); }
};

/// `beginning`: at least kExtendedBytes. The reason why not is about the image, whose name goes
/// before it.
std::expected<Header, std::string> parse_header(std::span<const std::byte> beginning);

}  // namespace tapring::qcow
