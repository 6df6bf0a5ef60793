// SPDX-License-Identifier: MIT
#include "ring/journal.h"

#define XXH_INLINE_ALL
#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cstring>
#include <iterator>
#include <optional>
#include <utility>

namespace tapring {
namespace {

constexpr std::size_t kMaxRequestBytes = kLayout64.entry_bytes;

/// One more than can be in flight, so that there is always an entry for the next.
constexpr uint32_t slots_of(uint32_t ring_entries) noexcept { return ring_entries + 1; }

// A mark is 0 for a free entry; else 8 bits of kind, 32 bits of response index, and 24 bits
// computed from those, so that no single wrong bit goes unseen.
enum class Mark : uint8_t { in_flight = 1, completed = 2 };

struct MarkedAs {
  Mark kind;
  uint32_t response_index;
};

constexpr uint64_t mark_of(Mark kind, uint32_t response_index = 0) noexcept {
  constexpr uint64_t kMeaning = (uint64_t{1} << 40) - 1;
  const uint64_t meaning = uint64_t{static_cast<uint8_t>(kind)} << 32 | response_index;
  return meaning | (meaning * 0x9e3779b97f4a7c15 & ~kMeaning);
}

std::optional<MarkedAs> read_mark(uint64_t mark) noexcept {
  const auto kind = static_cast<Mark>(mark >> 32 & 0xff);
  const auto index = static_cast<uint32_t>(mark);
  if (kind != Mark::in_flight && kind != Mark::completed) return std::nullopt;
  if (mark != mark_of(kind, index)) return std::nullopt;
  return MarkedAs{kind, index};
}

}  // namespace

/// Version 1. Integers are in the byte order of the machine, as the same machine reads them.
struct alignas(64) Journal::Header {
  static constexpr uint64_t kMagic = 0x6a676e6972706174;  // "tapringj"
  static constexpr uint64_t kVersion = 1;

  uint64_t magic;  ///< written last
  uint64_t version;
  ConnectionId connection;
  uint32_t queue;
  uint32_t ring_entries;
  uint64_t abi;
  uint64_t checksum;  ///< of all between it and the magic
  uint64_t data_lost;  ///< 0 or kDataLost

  static constexpr uint64_t kDataLost = 0x7772697465206c6f;

  uint64_t compute_checksum() const noexcept {
    return XXH3_64bits(&version, offsetof(Header, checksum) - offsetof(Header, version));
  }
};

struct alignas(64) Journal::Entry {
  uint64_t mark;
  uint64_t checksum;  ///< of the request
  std::array<std::byte, kMaxRequestBytes> request;

  uint64_t compute_checksum() const noexcept { return XXH3_64bits(request.data(), request.size()); }
};

std::size_t Journal::bytes_for(uint32_t ring_entries) noexcept {
  return sizeof(Header) + std::size_t{slots_of(ring_entries)} * sizeof(Entry);
}

Journal::Header& Journal::header() const noexcept {
  return *reinterpret_cast<Header*>(memory_.data());
}

Journal::Entry& Journal::entry(Slot slot) const noexcept {
  const std::size_t offset = sizeof(Header) + slot * sizeof(Entry);
  return *reinterpret_cast<Entry*>(memory_.subspan(offset, sizeof(Entry)).data());
}

void Journal::store(uint64_t& word, uint64_t value) noexcept {
  between_stores();
  std::atomic_ref(word).store(value, std::memory_order_release);
  // The compiler may move no later store before this one.
  std::atomic_signal_fence(std::memory_order_seq_cst);
  between_stores();
}

Journal::Journal(const Memory& memory, const JournalKey& key) noexcept : Journal(memory) {
  assert(memory.bytes.size() >= bytes_for(key.ring_entries));
  Header& head = header();
  store(head.magic, 0);
  head.version = Header::kVersion;
  head.connection = key.connection;
  head.queue = key.queue;
  head.ring_entries = key.ring_entries;
  head.abi = static_cast<uint64_t>(key.abi);
  head.checksum = head.compute_checksum();
  head.data_lost = 0;
  for (Slot slot = slots_of(key.ring_entries); slot-- > 0;) {
    entry(slot).mark = 0;
    free_.push_back(slot);
  }
  completed_.reserve(key.ring_entries);
  store(head.magic, Header::kMagic);
}

std::expected<Journal::Recovered, std::string> Journal::recover(const Memory& memory,
                                                                const JournalKey& key,
                                                                uint32_t response_producer) {
  Journal journal(memory);
  if (auto reason = journal.why_not(key)) return std::unexpected(*std::move(reason));
  journal.completed_.reserve(key.ring_entries);
  std::vector<Recovered::InFlight> in_flight;
  std::vector<Slot> retired;
  for (Slot slot = slots_of(key.ring_entries); slot-- > 0;) {
    Entry& found = journal.entry(slot);
    if (found.mark == 0) {
      journal.free_.push_back(slot);
      continue;
    }
    const auto marked = read_mark(found.mark);
    if (!marked || found.checksum != found.compute_checksum()) {
      return std::unexpected(fmt::format("it is damaged at entry {}", slot));
    }
    if (marked->kind == Mark::completed) {
      const auto ahead = static_cast<int32_t>(marked->response_index - response_producer);
      const auto most = static_cast<int32_t>(key.ring_entries);
      if (ahead < -most || ahead >= most) {
          return std::unexpected(fmt::format(
            "its entry {} was answered at index {}, and the ring is at {}", slot,
            marked->response_index, response_producer));
      }
      if (ahead < 0) {
        retired.push_back(slot);
        continue;
      }
    }
    const auto request = std::span(found.request).first(layout_of(key.abi).entry_bytes);
    in_flight.push_back({slot, decode_request(key.abi, request)});
  }
  if (in_flight.size() > key.ring_entries) {
    return std::unexpected("it has more requests than the ring");
  }
  // Now rewrite the marks for the next recovery: a request whose response the guest never saw must
  // not count as answered once other responses have passed the index of that one.
  for (const Slot slot : retired) journal.store(journal.entry(slot).mark, 0);
  for (const auto& each : in_flight) {
    journal.store(journal.entry(each.slot).mark, mark_of(Mark::in_flight));
  }
  std::ranges::copy(retired, std::back_inserter(journal.free_));
  const bool data_lost = journal.header().data_lost != 0;
  return Recovered{std::move(journal), std::move(in_flight), data_lost};
}

/// Why the memory does not hold a journal of this ring; nullopt if it does.
std::optional<std::string> Journal::why_not(const JournalKey& key) const {
  if (memory_.size() < sizeof(Header)) return "it is too short";
  const Header& head = header();
  if (head.magic != Header::kMagic) return "there is none";
  if (head.checksum != head.compute_checksum()) return "its header is damaged";
  if (head.version != Header::kVersion) {
    return fmt::format("it is of version {}, and this tapringd reads version {}", head.version,
                       Header::kVersion);
  }
  if (head.connection != key.connection) return "it is of another connection of the disk";
  if (head.queue != key.queue || head.ring_entries != key.ring_entries ||
      head.abi != static_cast<uint64_t>(key.abi)) {
    return "it is of another ring";
  }
  if (memory_.size() < bytes_for(key.ring_entries)) return "it is too short";
  if (head.data_lost != 0 && head.data_lost != Header::kDataLost) return "its header is damaged";
  return std::nullopt;
}

std::span<std::byte> Journal::next_entry() noexcept {
  return entry(free_.back()).request;
}

Journal::Slot Journal::begin() noexcept {
  const Slot slot = free_.back();
  free_.pop_back();
  Entry& to = entry(slot);
  to.checksum = to.compute_checksum();
  store(to.mark, mark_of(Mark::in_flight));
  return slot;
}

void Journal::complete(Slot slot, uint32_t response_index) noexcept {
  store(entry(slot).mark, mark_of(Mark::completed, response_index));
  completed_.push_back(slot);
}

void Journal::retire() noexcept {
  for (const Slot slot : completed_) {
    store(entry(slot).mark, 0);
    free_.push_back(slot);
  }
  completed_.clear();
}

void Journal::mark_data_lost() noexcept {
  store(header().data_lost, Header::kDataLost);
}

}  // namespace tapring
