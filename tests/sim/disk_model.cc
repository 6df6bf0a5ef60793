// SPDX-License-Identifier: MIT
#include "tests/sim/disk_model.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "ring/sizes.h"
#include "tests/sim/random.h"

namespace tapring::sim {
namespace {

using SectorWords = std::array<uint64_t, kSectorBytes / sizeof(uint64_t)>;

/// Begins with its write and its place, so that a wrong one says where it is from.
SectorWords content_of(DiskModel::Ticket write, uint64_t sector) {
  SectorWords words{};
  if (write == 0) return words;
  words[0] = write;
  words[1] = sector;
  Random random(write * 0x100000001b3U + sector);
  std::generate(words.begin() + 2, words.end(), [&] { return random.next(); });
  return words;
}

std::string describe(uint64_t sector, const SectorWords& found) {
  const std::string what = "sector " + std::to_string(sector) + " holds ";
  if (content_of(found[0], found[1]) != found) return what + "bytes nobody wrote as a whole";
  if (found[0] == 0) return what + "zeros, but was written";
  return what + "sector " + std::to_string(found[1]) + " of write " + std::to_string(found[0]);
}

}  // namespace

/// None: zeros.
std::span<const char> DiskModel::initial(uint64_t sector) const noexcept {
  if ((sector + 1) * kSectorBytes > initial_.size()) return {};
  const std::span all = std::span(initial_).subspan(sector * kSectorBytes, kSectorBytes);
  return std::ranges::all_of(all, [](char byte) { return byte == 0; }) ? std::span<const char>()
                                                                       : all;
}

DiskModel::Candidate DiskModel::untouched(uint64_t sector) const noexcept {
  return {.write = 0,
          .content = initial(sector).empty() ? 0 : kInitial,
          .answered = 0,
          .done = true,
          .settled = false};
}

bool DiskModel::holds(Ticket content, uint64_t sector, std::span<const std::byte> data) const {
  if (content == kInitial) {
    const std::span<const char> bytes = initial(sector);
    return std::memcmp(bytes.data(), data.data(), kSectorBytes) == 0;
  }
  SectorWords found{};
  std::memcpy(found.data(), data.data(), kSectorBytes);
  return content == found[0] && content_of(content, sector) == found;
}

DiskModel::Ticket DiskModel::begin(uint64_t sector, uint64_t sectors, Content content) {
  const Ticket write = ++clock_;
  writes_[write] = {.sector = sector, .sectors = sectors};
  for (uint64_t i = sector; i < sector + sectors; ++i) {
    std::vector<Candidate>& candidates = sectors_[i];
    if (candidates.empty()) candidates.push_back(untouched(i));
    candidates.push_back({.write = write,
                          .content = content == Content::own ? write : 0,
                          .answered = kNever,
                          .done = false,
                          .settled = false});
  }
  return write;
}

void DiskModel::fill(Ticket write, uint64_t sector, std::span<std::byte> data) {
  for (; !data.empty(); data = data.subspan(kSectorBytes), ++sector) {
    const SectorWords words = content_of(write, sector);
    std::memcpy(data.data(), words.data(), kSectorBytes);
  }
}

void DiskModel::end_write(Ticket write, bool done) {
  if (!writes_.contains(write)) return;  // it was settled before the guest looked at its answer
  const uint64_t answered = ++clock_;
  const Write ended = writes_.at(write);
  writes_.erase(write);
  for (uint64_t i = ended.sector; i < ended.sector + ended.sectors; ++i) {
    for (Candidate& candidate : sectors_[i]) {
      if (candidate.write != write) continue;
      candidate.answered = answered;
      candidate.done = done;
    }
    prune(i);
  }
}

DiskModel::Ticket DiskModel::begin_read() {
  reads_.insert(++clock_);
  return clock_;
}

std::optional<std::string> DiskModel::end_read(Ticket read, uint64_t sector,
                                               std::span<const std::byte> data) {
  if (reads_.erase(read) == 0) return std::nullopt;  // settled before the guest looked
  for (; !data.empty(); data = data.subspan(kSectorBytes), ++sector) {
    SectorWords found{};
    std::memcpy(found.data(), data.data(), kSectorBytes);
    const auto known = sectors_.find(sector);
    const std::vector<Candidate> at_first{untouched(sector)};
    const auto& candidates = known == sectors_.end() ? at_first : known->second;
    const Ticket newest = newest_done(candidates, read);
    const auto allowed = std::ranges::find_if(candidates, [&](const Candidate& candidate) {
      return candidate.answered >= newest &&
             holds(candidate.content, sector, data.first(kSectorBytes));
    });
    if (allowed == candidates.end()) return describe(sector, found);
    pin(sector, allowed->content);
  }
  return std::nullopt;
}

void DiskModel::settle() {
  while (!writes_.empty()) end_write(writes_.begin()->first, false);
  reads_.clear();
  for (auto& [sector, candidates] : sectors_) {
    prune(sector);
    for (Candidate& candidate : candidates) candidate.settled = true;
  }
}

void DiskModel::end_flush(Ticket flush, bool done) noexcept {
  if (done) flushed_ = std::max(flushed_, flush);
}

void DiskModel::power_off() {
  settle();
  const uint64_t now = ++clock_;
  for (auto& [sector, candidates] : sectors_) {
    for (Candidate& candidate : candidates) {
      candidate.answered = now;
      candidate.done = false;
    }
  }
  losable_ = false;
}

std::vector<uint64_t> DiskModel::written() const {
  std::vector<uint64_t> all;
  for (const auto& [sector, candidates] : sectors_) all.push_back(sector);
  return all;
}

/// Of what a settled sector might have held it holds what was seen, and that will not change.
void DiskModel::pin(uint64_t sector, Ticket seen) {
  const auto known = sectors_.find(sector);
  // With the power something older may come back.
  if (known == sectors_.end() || losable_) return;
  std::vector<Candidate>& candidates = known->second;
  const bool by_later_one = std::ranges::any_of(candidates, [seen](const Candidate& candidate) {
    return candidate.content == seen && !candidate.settled;
  });
  if (by_later_one) return;
  std::erase_if(candidates, [seen](const Candidate& candidate) {
    return candidate.settled && candidate.content != seen;
  });
}

/// The last of the writes that were done before. What was answered before it began is overwritten.
DiskModel::Ticket DiskModel::newest_done(const std::vector<Candidate>& candidates,
                                         uint64_t before) noexcept {
  Ticket newest = 0;
  for (const Candidate& candidate : candidates) {
    if (candidate.done && candidate.answered < before) newest = std::max(newest, candidate.write);
  }
  return newest;
}

void DiskModel::prune(uint64_t sector) {
  std::vector<Candidate>& candidates = sectors_[sector];
  if (candidates.size() == 1) return;
  // A read that is under way may still have met what was there when it began.
  const uint64_t oldest_read = reads_.empty() ? clock_ + 1 : *reads_.begin();
  const uint64_t before = losable_ ? std::min(oldest_read, flushed_) : oldest_read;
  const Ticket newest = newest_done(candidates, before);
  std::erase_if(candidates,
                [newest](const Candidate& candidate) { return candidate.answered < newest; });
}

}  // namespace tapring::sim
