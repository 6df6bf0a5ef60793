// SPDX-License-Identifier: MIT
#include "formats/clusters/free_clusters.h"

#include <algorithm>
#include <iterator>
#include <new>
#include <utility>

namespace tapring {
namespace {

/// Whether the run touches one that is there, which it then becomes part of.
bool joins(std::map<uint64_t, uint64_t>& runs, uint64_t first, uint64_t count) {
  const auto later = runs.lower_bound(first);
  const bool joins_later = later != runs.end() && first + count == later->first;
  if (later != runs.begin()) {
    const auto before = std::prev(later);
    if (before->first + before->second == first) {
      before->second += count;
      if (joins_later) {
        before->second += later->second;
        runs.erase(later);
      }
      return true;
    }
  }
  if (!joins_later) return false;
  const uint64_t all = count + later->second;
  runs.emplace_hint(runs.erase(later), first, all);
  return true;
}

void remove_from(std::map<uint64_t, uint64_t>& runs, uint64_t first, uint64_t end) {
  auto run = runs.lower_bound(first);
  if (run != runs.begin()) {
    const auto before = std::prev(run);
    const uint64_t before_end = before->first + before->second;
    if (before_end > first) {
      before->second = first - before->first;
      if (before_end > end) runs.emplace(end, before_end - end);
    }
  }
  while (run != runs.end() && run->first < end) {
    const uint64_t run_end = run->first + run->second;
    run = runs.erase(run);
    if (run_end > end) run = runs.emplace(end, run_end - end).first;
  }
}

}  // namespace

void FreeClusters::add(Run run) {
  Runs& runs = run.punched ? punched_ : filled_;
  if (joins(runs, run.first, run.count)) return;
  if (!run.punched) make_room();
  if (filled_.size() + punched_.size() < kMaxRuns) {
    insert(runs, run.first, run.count);
  } else {
    forget(run.first);
  }
}

/// What there is no memory for is forgotten.
void FreeClusters::insert(Runs& runs, uint64_t first, uint64_t count) noexcept {
  try {
    runs.emplace(first, count);
  } catch (const std::bad_alloc&) {
    forget(first);
  }
}

void FreeClusters::make_room() {
  if (filled_.size() + punched_.size() < kMaxRuns || punched_.empty()) return;
  const auto last = std::prev(punched_.end());
  forget(last->first);
  punched_.erase(last);
}

FreeClusters::Run FreeClusters::take(uint64_t most) {
  if (empty()) return {};
  const bool punched = filled_.empty();
  Runs& runs = punched ? punched_ : filled_;
  const auto [first, count] = *runs.begin();
  runs.erase(runs.begin());
  const uint64_t taken = std::min(count, most);
  if (taken < count) insert(runs, first + taken, count - taken);
  return {first, taken, punched};
}

void FreeClusters::remove(uint64_t first, uint64_t count) {
  remove_from(filled_, first, first + count);
  remove_from(punched_, first, first + count);
}

FreeClusters::Run FreeClusters::take_to_punch(uint64_t most) {
  if (filled_.empty()) return {};
  const auto last = std::prev(filled_.end());
  const uint64_t taken = std::min(last->second, most);
  const Run run{last->first + last->second - taken, taken, false};
  last->second -= taken;
  if (last->second == 0) filled_.erase(last);
  being_punched_.push_back(run);
  return run;
}

void FreeClusters::end_punch(Run run, bool punched) {
  std::erase_if(being_punched_, [&run](const Run& other) { return other.first == run.first; });
  add({run.first, run.count, punched});
}

bool FreeClusters::is_being_punched(uint64_t cluster) const noexcept {
  return std::ranges::any_of(being_punched_, [cluster](const Run& run) {
    return cluster >= run.first && cluster - run.first < run.count;
  });
}

uint64_t FreeClusters::take_forgotten() noexcept { return std::exchange(forgotten_, kNone); }

void FreeClusters::forget(uint64_t first) noexcept { forgotten_ = std::min(forgotten_, first); }

}  // namespace tapring
