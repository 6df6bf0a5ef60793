// SPDX-License-Identifier: MIT
// What is asked of libxenstore, and what is made of its answers: its functions are defined here,
// and hide those of the library.
#include "daemon/xen_xenstore.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "daemon/xenstore_update.h"
#include "ring/unique_fd.h"

struct xs_handle {};

namespace tapring {
namespace {

/// A store of one connection.
struct FakeStore {
  int error = 0;  ///< of everything, if it is not 0
  std::map<std::string, std::string> keys;
  std::optional<std::map<std::string, std::string>> transaction;
  unsigned conflicts = 0;  ///< so many commits fail with EAGAIN
  std::string unwritable;  ///< this key
  std::set<std::string> watches;
  std::deque<std::pair<std::string, std::string>> events;
  int end_of_events = EAGAIN;
  std::set<unsigned> domains;
  UniqueFd fd{::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
  xs_handle handle;

  void raise(const std::string& path, const std::string& token) {
    events.emplace_back(path, token);
    wake();
  }
  void wake() {
    const uint64_t one = 1;
    EXPECT_EQ(::write(fd.get(), &one, sizeof one), static_cast<ssize_t>(sizeof one));
  }
};

FakeStore* store = nullptr;

class XenXenstoreTest : public testing::Test {
 protected:
  XenXenstoreTest() { store = &store_; }

  FakeStore store_;
  boost::asio::io_context control_;
};

TEST_F(XenXenstoreTest, WithoutXenstoredItSaysWhatIsMissing) {
  store_.error = ENOENT;
  EXPECT_THROW(XenXenstore{control_}, std::system_error);
}

TEST_F(XenXenstoreTest, AKeyThatIsNotThereOrNotForUsHasNoValue) {
  XenXenstore xenstore(control_);
  store_.keys["/a/b"] = "1";
  EXPECT_EQ(xenstore.read("/a/b"), "1");
  EXPECT_EQ(xenstore.read("/a/c"), std::nullopt);
  store_.error = EACCES;
  EXPECT_EQ(xenstore.read("/a/b"), std::nullopt);
  EXPECT_THAT(xenstore.list("/a"), testing::IsEmpty());
}

TEST_F(XenXenstoreTest, ChildrenAreListed) {
  XenXenstore xenstore(control_);
  store_.keys = {{"/a/b", ""}, {"/a/c", ""}, {"/d", ""}};
  EXPECT_THAT(xenstore.list("/a"), testing::ElementsAre("b", "c"));
  EXPECT_THAT(xenstore.list("/e"), testing::IsEmpty());
}

TEST_F(XenXenstoreTest, ALostConnectionIsNoMissingKey) {
  XenXenstore xenstore(control_);
  store_.error = EPIPE;
  EXPECT_THROW(xenstore.read("/a"), std::system_error);
  EXPECT_THROW(xenstore.list("/a"), std::system_error);
  EXPECT_THROW(xenstore.watch("/a", "t"), std::system_error);
  EXPECT_THROW(update(xenstore, "/a", {"state"}, {}), std::system_error);
}

TEST_F(XenXenstoreTest, AnUpdateWritesAllOrNothing) {
  XenXenstore xenstore(control_);
  store_.keys["/a/state"] = "2";
  EXPECT_FALSE(update(xenstore, "/a", {"state", "1"}, {{"x", "1"}}));
  EXPECT_FALSE(update(xenstore, "/b", {"state"}, {{"x", "1"}}));
  EXPECT_EQ(store_.keys.size(), 1U);
  EXPECT_TRUE(update(xenstore, "/a", {"state", "2"}, {{"x", "1"}, {"state", "4"}}));
  EXPECT_TRUE(update(xenstore, "/a", {"state"}, {{"y", "2"}}));
  EXPECT_THAT(store_.keys, testing::ElementsAre(std::pair("/a/state", "4"), std::pair("/a/x", "1"),
                                                std::pair("/a/y", "2")));
}

TEST_F(XenXenstoreTest, AnUpdateIsRepeatedUntilNobodyComesBetween) {
  XenXenstore xenstore(control_);
  store_.keys["/a/state"] = "2";
  store_.conflicts = 5;
  EXPECT_TRUE(update(xenstore, "/a", {"state"}, {{"x", "1"}}));
  EXPECT_EQ(store_.keys["/a/x"], "1");
  store_.conflicts = 1'000'000;
  EXPECT_THROW(update(xenstore, "/a", {"state"}, {{"x", "2"}}), std::system_error);
}

TEST_F(XenXenstoreTest, AFailedWriteLeavesNothing) {
  XenXenstore xenstore(control_);
  store_.keys["/a/state"] = "2";
  store_.unwritable = "/a/x";
  try {
    update(xenstore, "/a", {"state"}, {{"b", "1"}, {"x", "1"}});
    FAIL();
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code(), std::errc::no_space_on_device);
    EXPECT_THAT(error.what(), testing::HasSubstr("/a/x"));
  }
  EXPECT_EQ(store_.keys.size(), 1U);
  EXPECT_FALSE(store_.transaction);
}

TEST_F(XenXenstoreTest, EventsReachTheSinkInTheirOrder) {
  constexpr int kMany = 600;  // more than are handled at once
  XenXenstore xenstore(control_);
  std::vector<std::string> seen;
  xenstore.deliver_to([&](const WatchEvent& event) { seen.push_back(event.path + event.token); });
  xenstore.watch("/a", "t");
  EXPECT_THAT(store_.watches, testing::ElementsAre("/a t"));
  for (int i = 0; i < kMany; ++i) store_.raise("/a/" + std::to_string(i), "t");
  while (seen.size() < kMany) control_.run_one();
  EXPECT_EQ(seen.front(), "/a/0t");
  EXPECT_EQ(seen.back(), "/a/599t");
  store_.raise("/a/again", "t");
  while (seen.size() < kMany + 1) control_.run_one();
  xenstore.unwatch("/a", "t");
  EXPECT_THAT(store_.watches, testing::IsEmpty());
}

TEST_F(XenXenstoreTest, WhatCameIsTakenAtOnceAndWhatComesLaterIsDelivered) {
  XenXenstore xenstore(control_);
  std::vector<std::string> seen;
  xenstore.deliver_to([&](const WatchEvent& event) { seen.push_back(event.path); });
  xenstore.take_events();
  EXPECT_THAT(seen, testing::IsEmpty());
  store_.raise("/a", "t");
  store_.raise("/b", "t");
  xenstore.take_events();
  EXPECT_THAT(seen, testing::ElementsAre("/a", "/b"));
  store_.raise("/c", "t");
  while (seen.size() < 3) control_.run_one();
  EXPECT_EQ(seen.back(), "/c");
}

TEST_F(XenXenstoreTest, ALostConnectionEndsTheEvents) {
  XenXenstore xenstore(control_);
  store_.end_of_events = EBADF;
  store_.wake();
  control_.run();
}

TEST_F(XenXenstoreTest, OnlyIntroducedDomainsAreAlive) {
  XenXenstore xenstore(control_);
  store_.domains = {0, 3};
  EXPECT_TRUE(xenstore.domain_alive(3));
  EXPECT_FALSE(xenstore.domain_alive(4));
}

/// As the library returns them: the texts lie behind the pointers, in one piece of memory.
char** in_one_piece(const std::vector<std::string>& texts) {
  std::size_t bytes = texts.size() * sizeof(char*);
  for (const std::string& text : texts) bytes += text.size() + 1;
  auto** pointers = static_cast<char**>(std::malloc(bytes + 1));
  char* next = reinterpret_cast<char*>(pointers + texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    pointers[i] = next;
    next = std::copy_n(texts[i].c_str(), texts[i].size() + 1, next);
  }
  return pointers;
}

bool works() {
  errno = store->error;
  return store->error == 0;
}

}  // namespace
}  // namespace tapring

using tapring::store;

extern "C" {

xs_handle* xs_open(unsigned long) {
  return tapring::works() ? &store->handle : nullptr;
}
void xs_close(xs_handle*) {}
int xs_fileno(xs_handle*) {
  return store->fd.get();
}

void* xs_read(xs_handle*, xs_transaction_t, const char* path, unsigned int* length) {
  if (!tapring::works()) return nullptr;
  const auto& keys = store->transaction ? *store->transaction : store->keys;
  const auto found = keys.find(path);
  errno = ENOENT;
  if (found == keys.end()) return nullptr;
  *length = static_cast<unsigned int>(found->second.size());
  return ::strdup(found->second.c_str());
}

char** xs_directory(xs_handle*, xs_transaction_t, const char* path, unsigned int* count) {
  if (!tapring::works()) return nullptr;
  const std::string directory = std::string(path) + "/";
  std::vector<std::string> names;
  for (const auto& [key, value] : store->keys) {
    if (key.starts_with(directory)) names.push_back(key.substr(directory.size()));
  }
  errno = ENOENT;
  *count = static_cast<unsigned int>(names.size());
  return names.empty() ? nullptr : tapring::in_one_piece(names);
}

xs_transaction_t xs_transaction_start(xs_handle*) {
  if (!tapring::works()) return XBT_NULL;
  store->transaction = store->keys;
  return 1;
}

bool xs_transaction_end(xs_handle*, xs_transaction_t, bool abort) {
  const auto written = std::exchange(store->transaction, std::nullopt);
  if (abort) return true;
  errno = EAGAIN;
  if (store->conflicts > 0 && store->conflicts-- > 0) return false;
  store->keys = *written;
  return true;
}

bool xs_write(xs_handle*, xs_transaction_t, const char* path, const void* data,
              unsigned int length) {
  errno = ENOSPC;
  if (path == store->unwritable) return false;
  (*store->transaction)[path] = std::string(static_cast<const char*>(data), length);
  return true;
}

bool xs_watch(xs_handle*, const char* path, const char* token) {
  if (!tapring::works()) return false;
  store->watches.insert(std::string(path) + ' ' + token);
  return true;
}

bool xs_unwatch(xs_handle*, const char* path, const char* token) {
  return store->watches.erase(std::string(path) + ' ' + token) > 0;
}

char** xs_check_watch(xs_handle*) {
  if (store->events.empty()) {
    uint64_t count;
    [[maybe_unused]] const ssize_t drained = ::read(store->fd.get(), &count, sizeof count);
    errno = store->end_of_events;
    return nullptr;
  }
  const auto [path, token] = store->events.front();
  store->events.pop_front();
  return tapring::in_one_piece({path, token});
}

bool xs_is_domain_introduced(xs_handle*, unsigned int domain) {
  return store->domains.contains(domain);
}

}  // extern "C"
