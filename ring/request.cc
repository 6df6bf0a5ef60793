// SPDX-License-Identifier: MIT
#include "ring/request.h"

#include <algorithm>
#include <cstring>

namespace tapring {
namespace {

template <typename T>
T load(std::span<const std::byte> bytes, std::size_t offset) noexcept {
  T value;
  std::memcpy(&value, bytes.subspan(offset, sizeof value).data(), sizeof value);
  return value;
}

bool moves_data(uint8_t operation) noexcept {
  return operation == static_cast<uint8_t>(BlkifOp::read) ||
         operation == static_cast<uint8_t>(BlkifOp::write);
}

}  // namespace

Request decode_request(Abi abi, std::span<const std::byte> entry) noexcept {
  const RequestLayout& layout = layout_of(abi);
  Request request{};
  request.operation = load<uint8_t>(entry, 0);
  request.id = load<uint64_t>(entry, layout.id);
  request.sector = load<uint64_t>(entry, layout.sector);
  if (request.operation == static_cast<uint8_t>(BlkifOp::indirect)) {
    request.indirect = true;
    request.operation = load<uint8_t>(entry, 1);
    request.segment_count = load<uint16_t>(entry, 2);
    request.indirect_ref = load<GrantRef>(entry, layout.indirect_refs);
    return request;
  }
  request.segment_count = load<uint8_t>(entry, 1);
  const std::size_t present = std::min<std::size_t>(request.segment_count, kDirectSegments);
  decode_segments(entry.subspan(layout.segments), std::span(request.segments).first(present));
  return request;
}

void decode_segments(std::span<const std::byte> list, std::span<Segment> segments) noexcept {
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const auto bytes = list.subspan(i * kSegmentBytes, kSegmentBytes);
    segments[i] = {load<GrantRef>(bytes, 0), load<uint8_t>(bytes, 4), load<uint8_t>(bytes, 5)};
  }
}

std::optional<BlkifStatus> check_request(const Request& request,
                                         const RequestLimits& limits) noexcept {
  const bool flush = request.operation == static_cast<uint8_t>(BlkifOp::flush_diskcache);
  if (!moves_data(request.operation) && (!flush || request.indirect)) {
    return BlkifStatus::not_supported;
  }
  const std::size_t most = request.indirect ? kIndirectSegments : kDirectSegments;
  if (request.segment_count > most) return BlkifStatus::error;
  if (request.segment_count == 0 && !flush) return BlkifStatus::error;
  const bool writes = request.operation != static_cast<uint8_t>(BlkifOp::read);
  if (limits.read_only && writes && request.segment_count > 0) return BlkifStatus::error;
  if (request.indirect || request.segment_count == 0) return std::nullopt;
  const auto segments = std::span(request.segments).first(request.segment_count);
  if (!check_segments(segments, request.sector, limits)) return BlkifStatus::error;
  return std::nullopt;
}

std::optional<uint32_t> check_segments(std::span<const Segment> segments, uint64_t sector,
                                       const RequestLimits& limits) noexcept {
  uint32_t total = 0;
  for (const Segment& segment : segments) {
    if (segment.last_sector >= kSectorsPerPage || segment.first_sector > segment.last_sector) {
      return std::nullopt;
    }
    total += segment.sectors();
  }
  if (sector > limits.sectors || total > limits.sectors - sector) return std::nullopt;
  return total;
}

}  // namespace tapring
