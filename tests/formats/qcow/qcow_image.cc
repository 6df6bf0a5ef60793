// SPDX-License-Identifier: MIT
#include "tests/formats/qcow/qcow_image.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <fstream>
#include <vector>

#include "formats/qcow2/bytes/big_endian.h"
#include "tests/formats/qemu.h"

namespace tapring {
namespace {

using qcow2::load;
using qcow2::store;

constexpr uint64_t kCompressed = uint64_t{1} << 63;
constexpr std::size_t kFlagsAt = 60;
constexpr uint32_t kSparse = 1;
constexpr uint32_t kBigEndianL1 = 2;

using Bytes = std::vector<std::byte>;

Bytes read_file(const std::filesystem::path& path) {
  const std::string text = bytes_of_file(path);
  Bytes bytes(text.size());
  std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

void write_file(const std::filesystem::path& path, const Bytes& bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
}

uint64_t up(uint64_t number, uint64_t unit) {
  return (number + unit - 1) / unit * unit;
}

struct Fields {
  explicit Fields(const Bytes& bytes)
      : size_bytes(load<uint64_t>(bytes, 24)),
        cluster_bits(load<uint8_t>(bytes, 32)),
        l2_bits(load<uint8_t>(bytes, 33)),
        l1_offset(load<uint64_t>(bytes, 40)) {}

  uint64_t l1_entries() const {
    return up(size_bytes, uint64_t{1} << (cluster_bits + l2_bits)) >> (cluster_bits + l2_bits);
  }

  uint64_t size_bytes;
  unsigned cluster_bits;
  unsigned l2_bits;
  uint64_t l1_offset;
};

void fill_first_table(Bytes& bytes, const Fields& fields) {
  const uint64_t cluster = uint64_t{1} << fields.cluster_bits;
  const uint64_t table = up(bytes.size(), cluster);
  const uint64_t entries = uint64_t{1} << fields.l2_bits;
  const uint64_t first = up(table + entries * 8, cluster);
  bytes.resize(first + (entries << fields.cluster_bits));
  store(bytes, fields.l1_offset, table);
  for (uint64_t i = 0; i < entries; ++i) {
    store(bytes, table + i * 8, first + (i << fields.cluster_bits));
  }
}

struct Place {
  uint64_t begin;
  uint64_t end;
  std::string what;
};

void add_clusters(const Bytes& bytes, const Fields& fields, uint64_t table,
                  std::vector<Place>& places) {
  const uint64_t table_bytes = uint64_t{8} << fields.l2_bits;
  if (table % 512 != 0 || table + table_bytes > bytes.size()) {
    places.push_back({0, 1, "L2 table outside the file"});
    return;
  }
  places.push_back({table, table + table_bytes, "L2 table at " + std::to_string(table)});
  for (uint64_t at = table; at < table + table_bytes; at += 8) {
    const auto entry = load<uint64_t>(bytes, at);
    if (entry == 0) continue;
    const std::string what = "cluster of the entry at " + std::to_string(at);
    const unsigned shift = 63 - fields.cluster_bits;
    if ((entry & kCompressed) != 0) {
      const uint64_t offset = entry & ((uint64_t{1} << shift) - 1);
      places.push_back({offset, offset + ((entry & ~kCompressed) >> shift), "packed " + what});
    } else {
      places.push_back({entry, entry + (uint64_t{1} << fields.cluster_bits), what});
    }
  }
}

}  // namespace

std::string QcowShape::text() const {
  return "cluster_bits=" + std::to_string(cluster_bits) + ",l2_bits=" + std::to_string(l2_bits) +
         (by_blktap ? ",by_blktap" : "") + (first_table_filled ? ",first_table_filled" : "") +
         (backing_name.empty() ? "" : " on " + backing_name);
}

void make_qcow(const std::filesystem::path& path, const QcowShape& shape) {
  const uint64_t name_at = shape.by_blktap ? 64 : 48;
  uint64_t l1_offset = up(name_at + shape.backing_name.size(), 8);
  if (shape.by_blktap) l1_offset = up(l1_offset, 4096);
  Bytes bytes(l1_offset);
  store(bytes, 0, uint32_t{0x514649FB});
  store(bytes, 4, uint32_t{1});
  if (!shape.backing_name.empty()) {
    store(bytes, 8, name_at);
    store(bytes, 16, static_cast<uint32_t>(shape.backing_name.size()));
    std::ranges::copy(std::as_bytes(std::span(shape.backing_name)),
                      bytes.begin() + static_cast<std::ptrdiff_t>(name_at));
  }
  store(bytes, 24, shape.size_bytes);
  store(bytes, 32, static_cast<uint8_t>(shape.cluster_bits));
  store(bytes, 33, static_cast<uint8_t>(shape.l2_bits));
  store(bytes, 40, l1_offset);
  if (shape.by_blktap) {
    store(bytes, 48, uint32_t{0x58454EFB});
    store(bytes, 56, shape.first_table_filled ? uint32_t{1} << shape.l2_bits : uint32_t{1});
    store(bytes, kFlagsAt, kBigEndianL1 | (shape.first_table_filled ? 0 : kSparse));
  }
  const Fields fields(bytes);
  bytes.resize(up(l1_offset + fields.l1_entries() * 8, shape.by_blktap ? 4096 : 512));
  if (shape.first_table_filled) fill_first_table(bytes, fields);
  write_file(path, bytes);
}

void swap_l1_order(const std::filesystem::path& path) {
  Bytes bytes = read_file(path);
  const Fields fields(bytes);
  for (uint64_t i = 0; i < fields.l1_entries(); ++i) {
    const std::size_t at = fields.l1_offset + i * 8;
    store(bytes, at, std::byteswap(load<uint64_t>(bytes, at)));
  }
  store(bytes, kFlagsAt, load<uint32_t>(bytes, kFlagsAt) ^ kBigEndianL1);
  write_file(path, bytes);
}

std::string damage_of_qcow(const std::filesystem::path& path) {
  const Bytes bytes = read_file(path);
  const Fields fields(bytes);
  const uint64_t cluster = uint64_t{1} << fields.cluster_bits;
  const uint64_t l1_end = fields.l1_offset + fields.l1_entries() * 8;
  if (l1_end > bytes.size()) return "L1 table outside the file";
  std::vector<Place> places{{0, l1_end, "header"}};
  for (uint64_t at = fields.l1_offset; at < l1_end; at += 8) {
    const auto table = load<uint64_t>(bytes, at);
    if (table != 0) add_clusters(bytes, fields, table, places);
  }
  std::ranges::sort(places, {}, &Place::begin);
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (places[i].end > up(bytes.size(), cluster)) return places[i].what + " outside the file";
    if (i > 0 && places[i].begin < places[i - 1].end) {
      return places[i].what + " overlaps " + places[i - 1].what;
    }
  }
  return {};
}

}  // namespace tapring
