// SPDX-License-Identifier: MIT
#include "tests/sim/transaction.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <deque>
#include <optional>
#include <string>
#include <system_error>

namespace tapring::sim {
namespace {

using Outcome = XenstoreTransaction::Outcome;

class Transaction : public testing::Test, public StoreWatcher {
 protected:
  Transaction() { store_.write({{"/a/state", "1"}, {"/a/other", "x"}}); }

  SimTransaction begin() { return {world_, store_, 0}; }

  /// What becomes of transactions that read or write with others' work in the middle: `done` if
  /// they ever are, else the conflict is not one for no reason.
  template <typename Ours, typename Theirs>
  Outcome outcome(Ours ours, Theirs theirs) {
    for (int attempt = 0; attempt < 50; ++attempt) {
      SimTransaction transaction = begin();
      ours(transaction);
      theirs();
      if (transaction.commit() == Outcome::done) return Outcome::done;
    }
    return Outcome::conflict;
  }

  void changed(const std::string&, const std::string&, const std::string&) override {
    seen_ = store_.read("/a/state").value_or("") + store_.read("/a/x").value_or("");
  }

  SimWorld world_{1};
  SimStore store_;
  std::string seen_;
};

TEST_F(Transaction, SeesWhatItWroteAndOthersSeeItWhenItIsDone) {
  const auto ours = [this](SimTransaction& transaction) {
    transaction.write("/a/x", "1");
    EXPECT_EQ(transaction.read("/a/x"), "1");
    EXPECT_EQ(transaction.read("/a/state"), "1");
    EXPECT_EQ(store_.read("/a/x"), std::nullopt);
  };
  EXPECT_EQ(outcome(ours, [] {}), Outcome::done);
  EXPECT_EQ(store_.read("/a/x"), "1");
}

TEST_F(Transaction, LeavesNothingWithoutACommit) {
  {
    begin().write("/b", "1");
  }
  EXPECT_FALSE(store_.exists("/b"));
}

TEST_F(Transaction, LeavesNothingWhenInConflict) {
  const auto ours = [](SimTransaction& transaction) {
    transaction.read("/a/state");
    transaction.write("/a/x", "1");
  };
  EXPECT_EQ(outcome(ours, [this] { store_.write({{"/a/state", "1"}}); }), Outcome::conflict);
  EXPECT_FALSE(store_.exists("/a/x"));
}

TEST_F(Transaction, ConflictsWithAWriteToWhatItRead) {
  const auto ours = [](SimTransaction& transaction) { transaction.read("/a/state"); };
  EXPECT_EQ(outcome(ours, [this] { store_.write({{"/a/state", "5"}}); }), Outcome::conflict);
}

TEST_F(Transaction, ConflictsWithAWriteToWhatItWrote) {
  const auto ours = [](SimTransaction& transaction) { transaction.write("/a/state", "4"); };
  EXPECT_EQ(outcome(ours, [this] { store_.write({{"/a/state", "5"}}); }), Outcome::conflict);
  EXPECT_EQ(store_.read("/a/state"), "5");
}

TEST_F(Transaction, ConflictsWithTheMakingOfWhatItMissed) {
  const auto ours = [](SimTransaction& transaction) {
    EXPECT_EQ(transaction.read("/b/c"), std::nullopt);
  };
  const auto theirs = [this] { store_.write({{"/b/c", "1"}}); };
  SimTransaction transaction = begin();
  ours(transaction);
  theirs();
  EXPECT_EQ(transaction.commit(), Outcome::conflict);
}

TEST_F(Transaction, ConflictsWithTheRemovalOfTheDirectoryItWritesTo) {
  SimTransaction transaction = begin();
  transaction.write("/a/x", "1");
  store_.remove("/a");
  EXPECT_EQ(transaction.commit(), Outcome::conflict);
  EXPECT_FALSE(store_.exists("/a"));
}

TEST_F(Transaction, IsNotDisturbedByWhatItHasNotToDoWith) {
  const auto ours = [](SimTransaction& transaction) { transaction.write("/a/state", "4"); };
  EXPECT_EQ(outcome(ours, [this] { store_.write({{"/a/other", "y"}}); }), Outcome::done);
}

TEST_F(Transaction, ReadsTheSameTwice) {
  SimTransaction transaction = begin();
  EXPECT_EQ(transaction.read("/a/state"), "1");
  store_.write({{"/a/state", "5"}});
  EXPECT_EQ(transaction.read("/a/state"), "1");
}

TEST_F(Transaction, ConflictsForNoReasonNowAndThen) {
  unsigned conflicts = 0;
  for (int i = 0; i < 1000; ++i) conflicts += begin().commit() == Outcome::conflict ? 1U : 0U;
  EXPECT_GT(conflicts, 0U);
  EXPECT_LT(conflicts, 100U);
}

TEST_F(Transaction, IsNeverSeenInHalves) {
  store_.watch("/a/state", "t", *this);
  const auto ours = [](SimTransaction& transaction) {
    transaction.write("/a/state", "4");
    transaction.write("/a/x", "there");
  };
  EXPECT_EQ(outcome(ours, [this] { EXPECT_EQ(seen_, "1"); }), Outcome::done);
  EXPECT_EQ(seen_, "4there");
  store_.unwatch_all(*this);
}

TEST_F(Transaction, MeetsWhatWasPutOff) {
  const auto ours = [](SimTransaction& transaction) { transaction.write("/a/state", "4"); };
  store_.put_off([this] { store_.write({{"/a/state", "5"}}); });
  SimTransaction transaction = begin();
  ours(transaction);
  EXPECT_EQ(store_.read("/a/state"), "1");
  EXPECT_EQ(transaction.commit(), Outcome::conflict);
  EXPECT_EQ(store_.read("/a/state"), "5");
}

/// A guest, domain 5, with a directory of its own beside what is not its own.
class Unprivileged : public testing::Test {
 protected:
  static constexpr DomainId kGuest = 5;

  Unprivileged() {
    store_.set_access("/own", {.owner = kGuest, .named = {{7, Right::read}}});
    store_.set_access("/shown", {.owner = 0, .named = {{kGuest, Right::read}}});
    store_.write({{"/own/x", "1"}, {"/shown/x", "2"}, {"/hidden", "3"}});
  }

  /// What xenstored says to a write of the domain; 0: it is done.
  int write(const std::string& path, const std::string& value, DomainId domain = kGuest) {
    try {
      auto outcome = Outcome::conflict;
      while (outcome == Outcome::conflict) {
        SimTransaction transaction(world_, store_, domain);
        transaction.write(path, value);
        outcome = transaction.commit();
      }
      return 0;
    } catch (const std::system_error& error) {
      return error.code().value();
    }
  }

  std::optional<std::string> read(const std::string& path, DomainId domain = kGuest) {
    return SimTransaction(world_, store_, domain).read(path);
  }

  SimWorld world_{1};
  SimStore store_;
};

TEST_F(Unprivileged, ReadsWhatItMay) {
  EXPECT_EQ(read("/own/x"), "1");
  EXPECT_EQ(read("/shown/x"), "2");
  EXPECT_EQ(read("/hidden"), std::nullopt);
  EXPECT_EQ(read("/own/x", 7), "1");
  EXPECT_EQ(read("/own/x", 8), std::nullopt);
  EXPECT_EQ(read("/hidden", 0), "3");
}

TEST_F(Unprivileged, WritesWhereItMay) {
  EXPECT_EQ(write("/own/x", "2"), 0);
  EXPECT_EQ(write("/own/new/key", "2"), 0);
  EXPECT_EQ(write("/shown/x", "9"), EACCES);
  EXPECT_EQ(write("/shown/new", "9"), EACCES);
  EXPECT_EQ(write("/hidden", "9"), EACCES);
  EXPECT_EQ(write("/nowhere", "9"), EACCES);
  EXPECT_EQ(write("/own/x", "9", 7), EACCES);
  EXPECT_EQ(write("/shown/new", "9", 0), 0);
  EXPECT_EQ(read("/shown/x"), "2");
}

TEST_F(Unprivileged, HasSoManyNodes) {
  for (unsigned i = 0; i < 20; ++i) write("/own/" + std::to_string(i), "");
  int refused = 0;
  for (unsigned i = 0; refused == 0 && i < 2000; ++i) {
    refused = write("/own/" + std::to_string(i % 20) + "/" + std::to_string(i), "");
  }
  EXPECT_EQ(refused, ENOSPC);
  EXPECT_EQ(store_.nodes_of(kGuest), StoreQuota::kNodes);
  EXPECT_EQ(write("/own/x", "there already"), 0);
  store_.remove("/own/0");
  EXPECT_EQ(write("/own/x/again", "1"), 0);
}

TEST_F(Unprivileged, HasSoMuchInANode) {
  EXPECT_EQ(write("/own/x", std::string(1900, 'x')), 0);
  EXPECT_EQ(write("/own/x", std::string(2048, 'x')), ENOSPC);
  EXPECT_EQ(write("/own/x", std::string(2048, 'x'), 0), 0);
  EXPECT_EQ(write("/own/x", std::string(4096, 'x'), 0), E2BIG);
}

TEST_F(Unprivileged, HasSoManyTransactions) {
  std::deque<SimTransaction> open;
  const auto begin = [&] { open.emplace_back(world_, store_, kGuest); };
  for (std::size_t i = 0; i < StoreQuota::kTransactions; ++i) begin();
  EXPECT_THROW(begin(), std::system_error);
  open.pop_front();
  EXPECT_NO_THROW(begin());
}

}  // namespace
}  // namespace tapring::sim
