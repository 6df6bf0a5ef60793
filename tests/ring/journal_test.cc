// SPDX-License-Identifier: MIT
#include "ring/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <vector>

namespace tapring {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr uint32_t kEntries = 8;

/// A ring, as far as a journal has to do with it, and the process that serves it.
class JournalTest : public testing::Test {
 protected:
  struct alignas(64) Line {
    std::array<std::byte, 64> bytes{};
  };

  using RingEntry = std::array<std::byte, kLayout64.entry_bytes>;

  static RingEntry read_of(uint64_t id) {
    RingEntry entry{};
    entry[1] = std::byte{1};
    std::memcpy(entry.data() + kLayout64.id, &id, sizeof id);
    return entry;
  }

  std::span<std::byte> memory() { return std::as_writable_bytes(std::span(lines_)); }

  Journal make(JournalObserver* observer = nullptr) { return {{memory(), observer}, key_}; }

  static Journal::Slot take(Journal& journal, std::span<const std::byte> request) {
    std::ranges::copy(request, journal.next_entry().begin());
    return journal.begin();
  }

  static Journal::Slot take(Journal& journal, uint64_t id) { return take(journal, read_of(id)); }

  std::expected<Journal::Recovered, std::string> recover(uint32_t response_producer,
                                                         JournalObserver* observer = nullptr) {
    return Journal::recover({memory(), observer}, key_, response_producer);
  }

  static std::vector<uint64_t> ids(const Journal::Recovered& recovered) {
    std::vector<uint64_t> ids;
    for (const auto& each : recovered.in_flight) ids.push_back(each.request.id);
    std::ranges::sort(ids);
    return ids;
  }

  JournalKey key_{.connection = {std::byte{1}, std::byte{2}}, .queue = 3,
                  .ring_entries = kEntries, .abi = Abi::x86_64};
  std::vector<Line> lines_ =
      std::vector<Line>(Journal::bytes_for(kEntries) / sizeof(Line));
};

TEST_F(JournalTest, OfNothingTakenHoldsNothing) {
  make();
  const auto found = recover(5);
  ASSERT_TRUE(found) << found.error();
  EXPECT_THAT(found->in_flight, IsEmpty());
}

TEST_F(JournalTest, HoldsWhatWasTakenAndNotSeenByTheGuest) {
  Journal journal = make();
  const Journal::Slot one = take(journal, 1);
  const Journal::Slot two = take(journal, 2);
  take(journal, 3);
  journal.complete(two, 10);
  journal.retire();
  journal.complete(one, 11);
  const auto found = recover(11);
  ASSERT_TRUE(found) << found.error();
  EXPECT_THAT(ids(*found), ElementsAre(1, 3));
}

TEST_F(JournalTest, DropsWhatTheGuestSeesThoughItWasNotFreed) {
  Journal journal = make();
  journal.complete(take(journal, 1), 0xffffffff);
  journal.complete(take(journal, 2), 0);
  const auto found = recover(1);
  ASSERT_TRUE(found) << found.error();
  EXPECT_THAT(ids(*found), IsEmpty());
}

TEST_F(JournalTest, KeepsTheRequestAsItStoodInTheRing) {
  for (const Abi abi : {Abi::x86_64, Abi::x86_32}) {
    key_.abi = abi;
    RingEntry entry{};
    std::ranges::generate(entry, [i = 0U]() mutable { return std::byte(++i * 7); });
    const auto bytes = std::span(entry).first(layout_of(abi).entry_bytes);
    Journal journal = make();
    take(journal, bytes);
    const auto found = recover(0);
    ASSERT_TRUE(found) << found.error();
    ASSERT_EQ(found->in_flight.size(), 1U);
    const Request expected = decode_request(abi, bytes);
    EXPECT_EQ(found->in_flight[0].request.id, expected.id);
    EXPECT_EQ(found->in_flight[0].request.sector, expected.sector);
    EXPECT_EQ(found->in_flight[0].request.operation, expected.operation);
  }
}

// It was answered at an index that others' responses may have by the next time.
TEST_F(JournalTest, OfAnAnswerNeverSeenForgetsTheIndex) {
  {
    Journal journal = make();
    journal.complete(take(journal, 1), 4);
    take(journal, 2);
  }
  {
    auto found = recover(4);
    ASSERT_TRUE(found) << found.error();
    EXPECT_THAT(ids(*found), ElementsAre(1, 2));
    const auto two = std::ranges::find(found->in_flight, 2U, [](const auto& each) {
      return each.request.id;
    });
    found->journal.complete(two->slot, 4);
  }
  const auto found = recover(5);
  ASSERT_TRUE(found) << found.error();
  EXPECT_THAT(ids(*found), ElementsAre(1));
}

TEST_F(JournalTest, ALostWriteIsToldToAllWhoRecover) {
  Journal journal = make();
  EXPECT_FALSE(recover(0)->data_lost);
  journal.mark_data_lost();
  EXPECT_TRUE(recover(0)->data_lost);
  EXPECT_TRUE(recover(0)->data_lost);
  make();
  EXPECT_FALSE(recover(0)->data_lost);
}

TEST_F(JournalTest, HasRoomWhileAllThatTheRingHoldsIsInFlight) {
  Journal journal = make();
  std::vector<Journal::Slot> slots;
  for (uint64_t id = 0; id < kEntries; ++id) slots.push_back(take(journal, id));
  std::ranges::copy(read_of(99), journal.next_entry().begin());
  const auto found = recover(0);
  ASSERT_TRUE(found) << found.error();
  EXPECT_THAT(ids(*found), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
}

TEST_F(JournalTest, RefusesAnothersJournal) {
  Journal journal = make();
  take(journal, 1);
  const JournalKey mine = key_;
  key_.connection[15] = std::byte{1};
  EXPECT_THAT(recover(0).error(), HasSubstr("another connection"));
  key_ = mine;
  key_.queue = 0;
  EXPECT_THAT(recover(0).error(), HasSubstr("another ring"));
  key_ = mine;
  key_.abi = Abi::x86_32;
  EXPECT_THAT(recover(0).error(), HasSubstr("another ring"));
}

TEST_F(JournalTest, RefusesMemoryThatIsTooShort) {
  make();
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{63}, memory().size() - 64}) {
    EXPECT_THAT(Journal::recover({memory().first(bytes)}, key_, 0).error(), HasSubstr("too short"));
  }
}

TEST_F(JournalTest, RefusesAnAnswerFarFromWhereTheRingIs) {
  Journal journal = make();
  journal.complete(take(journal, 1), 100);
  EXPECT_THAT(recover(100 - kEntries).error(), HasSubstr("answered at index 100"));
  EXPECT_THAT(recover(101 + kEntries).error(), HasSubstr("answered at index 100"));
  EXPECT_TRUE(recover(100));
}

/// A request lost, or one that is done again though the guest saw its answer.
TEST_F(JournalTest, WithOneBitWrongIsRefusedOrTheSame) {
  Journal journal = make();
  journal.complete(take(journal, 1), 6);
  take(journal, 2);
  journal.complete(take(journal, 3), 7);
  const std::vector<Line> before = lines_;
  unsigned refused = 0;
  for (std::size_t bit = 0; bit < memory().size() * 8; ++bit) {
    lines_ = before;
    memory()[bit / 8] ^= std::byte(1U << bit % 8);
    const auto found = recover(7);
    refused += found ? 0U : 1U;
    if (found) {
      EXPECT_THAT(ids(*found), ElementsAre(2, 3)) << "bit " << bit;
    }
  }
  EXPECT_GT(refused, 3 * kLayout64.entry_bytes * 8);
}

/// Ends the process at one of its steps, by keeping what memory held then.
class Death final : public JournalObserver {
 public:
  Death(std::function<void()> die, unsigned step) : die_(std::move(die)), steps_left_(step) {}

  void between_stores() noexcept override {
    if (steps_left_-- == 0) die_();
  }
  bool came() const noexcept { return steps_left_ < 0; }

 private:
  std::function<void()> die_;
  int64_t steps_left_;
};

/// A guest that sees nothing but the ring, and what it may expect of whoever serves it.
class ServedRing : public JournalTest {
 protected:
  struct Ring {
    std::deque<uint64_t> requests;     ///< all ever put in; the index is the request's
    std::vector<uint64_t> responses;   ///< all that were written, seen or not
    uint32_t response_producer = 0;
  };

  /// Serves until all is answered. Answers are given in any order, several at a time.
  void serve(Journal& journal, std::vector<std::pair<Journal::Slot, uint64_t>> in_flight,
             std::minstd_rand& random) {
    auto taken = static_cast<uint32_t>(ring_.response_producer + in_flight.size());
    ring_.responses.resize(ring_.response_producer);
    while (ring_.response_producer < ring_.requests.size()) {
      while (taken < ring_.requests.size() && in_flight.size() < kEntries && random() % 4 != 0) {
        const uint64_t id = ring_.requests[taken++];
        in_flight.emplace_back(take(journal, id), id);
      }
      while (!in_flight.empty() && random() % 2 == 0) {
        const auto next = in_flight.begin() + static_cast<int>(random() % in_flight.size());
        ring_.responses.push_back(next->second);
        journal.complete(next->first, static_cast<uint32_t>(ring_.responses.size() - 1));
        in_flight.erase(next);
      }
      ring_.response_producer = static_cast<uint32_t>(ring_.responses.size());
      journal.retire();
    }
  }

  Ring ring_;
};

TEST_F(ServedRing, AnswersEachRequestOnceWhereverProcessesDie) {
  constexpr unsigned kRequests = 20;
  for (unsigned seed = 1; seed <= 20; ++seed) {
    for (unsigned first = 0;; ++first) {
      std::minstd_rand random(seed);
      ring_ = {};
      for (uint64_t id = 0; id < kRequests; ++id) ring_.requests.push_back(id);
      lines_.assign(lines_.size(), {});
      std::pair<std::vector<Line>, Ring> left;
      Death death([&] { left = {lines_, ring_}; }, first);
      make();
      serve(recover(0, &death)->journal, {}, random);
      if (!death.came()) break;
      // The second dies as well, somewhere; the third does not.
      for (const auto step : std::array{static_cast<unsigned>(random() % 40), 1'000'000U}) {
        std::tie(lines_, ring_) = left;
        Death next([&] { left = {lines_, ring_}; }, step);
        auto found = recover(ring_.response_producer, &next);
        ASSERT_TRUE(found) << found.error() << " seed " << seed << " step " << first;
        std::vector<std::pair<Journal::Slot, uint64_t>> in_flight;
        for (const auto& [slot, request] : found->in_flight) {
          in_flight.emplace_back(slot, request.id);
        }
        serve(found->journal, std::move(in_flight), random);
      }
      std::vector<uint64_t> answered = ring_.responses;
      std::ranges::sort(answered);
      EXPECT_TRUE(std::ranges::equal(answered, ring_.requests)) << "seed " << seed << " step "
                                                                << first;
    }
  }
}

}  // namespace
}  // namespace tapring
