// SPDX-License-Identifier: MIT
// One ring entry and the page of segments it may point to, of any bytes, in both layouts. What is
// decoded is compared with the structures of Xen's public headers.
#include "ring/request.h"

#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "tests/sim/guest_abi.h"

namespace {

using tapring::Request;
using tapring::RequestLimits;
using tapring::Segment;

template <typename T>
T take(FuzzedDataProvider& input) {
  T bytes{};
  input.ConsumeData(&bytes, sizeof bytes);
  return bytes;
}

bool same(const Segment& segment, const tapring::sim::GuestSegment& guest) {
  return segment.ref == guest.gref && segment.first_sector == guest.first_sect &&
         segment.last_sector == guest.last_sect;
}

template <typename Entry>
void check_decoded(const Request& request, const Entry& entry) {
  assert(request.indirect == (entry.request.operation == tapring::sim::kGuestIndirect));
  if (request.indirect) {
    assert(request.operation == entry.indirect.indirect_op);
    assert(request.id == entry.indirect.id && request.sector == entry.indirect.sector_number);
    assert(request.segment_count == entry.indirect.nr_segments);
    assert(request.indirect_ref == entry.indirect.indirect_grefs[0]);
    return;
  }
  assert(request.operation == entry.request.operation);
  assert(request.id == entry.request.id && request.sector == entry.request.sector_number);
  if (request.operation == tapring::sim::kGuestDiscard) {
    assert(request.discard_sectors == entry.discard.nr_sectors);
    return;
  }
  assert(request.segment_count == entry.request.nr_segments);
  const std::size_t present = std::min<std::size_t>(request.segment_count, 11);
  for (std::size_t i = 0; i < present; ++i) assert(same(request.segments[i], entry.request.seg[i]));
}

bool fits(uint64_t sector, uint64_t sectors, uint64_t capacity) {
  __extension__ using Wide = unsigned __int128;
  return Wide{sector} + sectors <= capacity;
}

/// Whether these segments are pages' parts that fit between `sector` and the end of the disk, by
/// arithmetic that cannot overflow.
std::optional<uint32_t> sectors_on_disk(std::span<const Segment> segments, uint64_t sector,
                                        uint64_t capacity) {
  uint32_t total = 0;
  for (const Segment& segment : segments) {
    if (segment.first_sector > segment.last_sector || segment.last_sector > 7) return std::nullopt;
    total += static_cast<uint32_t>(segment.last_sector - segment.first_sector) + 1;
  }
  if (!fits(sector, total, capacity)) return std::nullopt;
  return total;
}

void check_accepted(const Request& request, const RequestLimits& limits,
                    std::span<const std::byte> page) {
  if (request.operation == tapring::sim::kGuestDiscard) {
    assert(limits.discards && !limits.read_only && !request.indirect);
    assert(request.discard_sectors > 0);
    assert(fits(request.sector, request.discard_sectors, limits.sectors));
    return;
  }
  const bool reads = request.operation == tapring::sim::kGuestRead;
  assert(reads || !limits.read_only || request.segment_count == 0);
  assert(request.segment_count > 0 || request.operation == tapring::sim::kGuestFlush ||
         request.operation == tapring::sim::kGuestBarrier);
  std::array<Segment, tapring::kIndirectSegments> memory{};
  assert(request.segment_count <= (request.indirect ? memory.size() : request.segments.size()));
  const auto segments = std::span(memory).first(request.segment_count);
  if (request.indirect) {
    tapring::decode_segments(page, segments);
  } else {
    std::copy_n(request.segments.begin(), segments.size(), segments.begin());
  }
  if (segments.empty()) return;
  const auto expected = sectors_on_disk(segments, request.sector, limits.sectors);
  assert(tapring::check_segments(segments, request.sector, limits) == expected);
  assert(request.indirect || expected);
}

template <typename Guest>
void check_entry(tapring::Abi abi, FuzzedDataProvider& input, const RequestLimits& limits) {
  const auto entry = take<typename Guest::Entry>(input);
  const auto page = take<std::array<std::byte, tapring::kPageBytes>>(input);
  const Request request = tapring::decode_request(abi, std::as_bytes(std::span(&entry, 1)));
  check_decoded(request, entry);
  const auto refusal = tapring::check_request(request, limits);
  assert(tapring::check_request(request, limits) == refusal);
  if (!refusal) check_accepted(request, limits, page);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  const auto flags = take<uint8_t>(input);
  RequestLimits limits{};
  limits.sectors = flags & 2U ? take<uint64_t>(input) : 2048;
  limits.read_only = (flags & 4U) != 0;
  limits.discards = (flags & 8U) != 0;
  if (flags & 1U) {
    check_entry<tapring::sim::Guest32>(tapring::Abi::x86_32, input, limits);
  } else {
    check_entry<tapring::sim::Guest64>(tapring::Abi::x86_64, input, limits);
  }
  return 0;
}
