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

bool is_known(const Request& request) noexcept {
  if (is(request, BlkifOp::read) || is(request, BlkifOp::write)) return true;
  const bool direct_only =
      is(request, BlkifOp::flush_diskcache) || is(request, BlkifOp::write_barrier);
  return direct_only && !request.indirect;
}

bool may_be_empty(const Request& request) noexcept {
  return is(request, BlkifOp::flush_diskcache) || is(request, BlkifOp::write_barrier);
}

bool lies_on_disk(uint64_t sector, uint64_t sectors, const RequestLimits& limits) noexcept {
  return sector <= limits.sectors && sectors <= limits.sectors - sector;
}

std::optional<BlkifStatus> check_discard(const Request& request,
                                         const RequestLimits& limits) noexcept {
  if (!limits.discards) return BlkifStatus::not_supported;
  if (limits.read_only || request.discard_sectors == 0) return BlkifStatus::error;
  if (!lies_on_disk(request.sector, request.discard_sectors, limits)) return BlkifStatus::error;
  return std::nullopt;
}

}  // namespace

Request decode_request(Abi abi, std::span<const std::byte> entry) noexcept {
  const RequestLayout& layout = layout_of(abi);
  Request request{};
  request.operation = load<uint8_t>(entry, 0);
  request.id = load<uint64_t>(entry, layout.id);
  request.sector = load<uint64_t>(entry, layout.sector);
  if (is(request, BlkifOp::indirect)) {
    request.indirect = true;
    request.operation = load<uint8_t>(entry, 1);
    request.segment_count = load<uint16_t>(entry, 2);
    request.indirect_ref = load<GrantRef>(entry, layout.indirect_refs);
    return request;
  }
  if (is(request, BlkifOp::discard)) {
    request.secure = (load<uint8_t>(entry, 1) & kDiscardSecure) != 0;
    request.discard_sectors = load<uint64_t>(entry, layout.discard_sectors);
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
  if (is(request, BlkifOp::discard) && !request.indirect) return check_discard(request, limits);
  if (!is_known(request)) return BlkifStatus::not_supported;
  const std::size_t most = request.indirect ? kIndirectSegments : kDirectSegments;
  if (request.segment_count > most) return BlkifStatus::error;
  if (request.segment_count == 0 && !may_be_empty(request)) return BlkifStatus::error;
  const bool writes = !is(request, BlkifOp::read);
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
  if (!lies_on_disk(sector, total, limits)) return std::nullopt;
  return total;
}

}  // namespace tapring
