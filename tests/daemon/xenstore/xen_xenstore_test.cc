// SPDX-License-Identifier: MIT
// What is asked of libxenstore, and what is made of its answers: its functions are defined here,
// and hide those of the library.
#include "daemon/xenstore/xen_xenstore.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "daemon/xenstore/xenstore_update.h"
#include "ring/unique_fd.h"
#include "tests/daemon/temporary_directory.h"

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
  std::function<void()> in_open;
  std::function<void()> in_call;  ///< that reads
  std::set<std::string> watches;
  std::deque<std::pair<std::string, std::string>> events;
  std::set<unsigned> domains;
  UniqueFd fd{::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
  std::string socket_path = "/nonexistent/socket";
  UniqueFd listener;
  UniqueFd client;             ///< the library's end
  bool leaves_client = false;  ///< open when the library is done with it
  UniqueFd server;
  xs_handle handle;

  /// From now on connections go over a socket, as in dom0.
  void listen_at(const std::string& where) {
    socket_path = where;
    listener = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_un address = address_of(socket_path);
    EXPECT_EQ(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
              0);
    EXPECT_EQ(::listen(listener.get(), 8), 0);
  }
  void connect() {
    if (!listener) return;
    client = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_un address = address_of(socket_path);
    EXPECT_EQ(::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
              0);
    UniqueFd probe(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    server = UniqueFd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  }
  static sockaddr_un address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    return address;
  }

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

  TemporaryDirectory directory_;
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

/// The library says EINVAL then (4.17), which an absent key may say as well.
TEST_F(XenXenstoreTest, TheEndOfTheSocketIsTheEndOfTheConnectionWhateverTheLibrarySays) {
  store_.listen_at(directory_.path() / "socket");
  XenXenstore xenstore(control_);
  store_.keys = {{"/a/b", "1"}, {"/a/state", "1"}};
  auto transaction = xenstore.begin();
  store_.error = EINVAL;
  EXPECT_EQ(xenstore.read("/a"), std::nullopt);
  store_.server = UniqueFd();
  EXPECT_THROW(xenstore.read("/a"), XenstoreLost);
  EXPECT_THROW(xenstore.list("/a"), XenstoreLost);
  EXPECT_THROW(xenstore.begin(), XenstoreLost);
  EXPECT_THROW(xenstore.watch("/a", "t"), XenstoreLost);
  EXPECT_THROW(xenstore.domain_alive(0), XenstoreLost);
  EXPECT_THROW(transaction->read("/a"), XenstoreLost);
  xenstore.unwatch("/a", "t");
}

TEST_F(XenXenstoreTest, TheEndOfTheSocketIsToldWhileNobodyAsks) {
  store_.listen_at(directory_.path() / "socket");
  XenXenstore xenstore(control_);
  std::string reason;
  xenstore.on_loss([&](const std::string& why) { reason = why; });
  control_.poll();
  EXPECT_EQ(reason, "");
  store_.server = UniqueFd();
  while (reason.empty()) control_.run_one();
  EXPECT_THAT(reason, testing::HasSubstr("the connection is lost"));
}

/// libxenstore 4.17 does that if its thread is about to close it when it is cancelled.
TEST_F(XenXenstoreTest, ASocketThatTheLibraryLeavesOpenIsClosed) {
  store_.listen_at(directory_.path() / "socket");
  store_.leaves_client = true;
  { const XenXenstore xenstore(control_); }
  const int left = store_.client.release();
  EXPECT_EQ(::fcntl(left, F_GETFD), -1) << left;
}

TEST_F(XenXenstoreTest, WhatHasTheNumberOfTheLibrarysSocketAfterwardsIsNotClosed) {
  store_.listen_at(directory_.path() / "socket");
  UniqueFd other;
  {
    const XenXenstore xenstore(control_);
    store_.leaves_client = true;
    other = UniqueFd(::dup2(store_.fd.get(), store_.client.release()));
  }
  EXPECT_NE(::fcntl(other.get(), F_GETFD), -1);
}

TEST_F(XenXenstoreTest, WhatIsQueuedForAConnectionThatIsGoneDoesNothing) {
  store_.listen_at(directory_.path() / "socket");
  auto xenstore = std::make_unique<XenXenstore>(control_);
  xenstore->on_loss([&](const std::string&) { xenstore = nullptr; });
  xenstore->deliver_to([](const WatchEvent&) {});
  for (int i = 0; i < 1000; ++i) store_.raise("/a", "t");
  store_.server = UniqueFd();
  while (xenstore) control_.run_one();
  control_.run();
}

TEST_F(XenXenstoreTest, WhereNobodyListensTheLibraryIsNotAsked) {
  store_.listen_at(directory_.path() / "socket");
  store_.listener = UniqueFd();
  try {
    XenXenstore xenstore(control_);
    FAIL();
  } catch (const XenstoreLost& loss) {
    EXPECT_EQ(loss.code(), std::errc::connection_refused);
    EXPECT_THAT(loss.what(), testing::HasSubstr(store_.socket_path));
  }
}

TEST_F(XenXenstoreTest, ABusyXenstoredIsWaitedFor) {
  store_.listen_at(directory_.path() / "socket");
  const sockaddr_un address = FakeStore::address_of(store_.socket_path);
  std::vector<UniqueFd> others;
  int connected = 0;
  do {
    others.emplace_back(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    connected =
        ::connect(others.back().get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  } while (connected == 0);
  ASSERT_EQ(errno, EAGAIN);
  std::thread xenstored([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    for (std::size_t i = 1; i < others.size(); ++i) {
      UniqueFd taken(::accept4(store_.listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    }
  });
  EXPECT_NO_THROW(XenXenstore{control_});
  xenstored.join();
}

TEST_F(XenXenstoreTest, AnAnswerThatDoesNotComeIsALostConnection) {
  store_.listen_at(directory_.path() / "socket");
  ReplyTimeout limit(std::chrono::seconds(20));
  XenXenstore xenstore(control_, &limit);
  store_.in_call = [&] {
    limit.check(ReplyTimeout::Clock::now() + std::chrono::seconds(21));
    char byte = 0;
    EXPECT_EQ(::read(store_.client.get(), &byte, 1), 0);
    store_.error = EINVAL;
  };
  try {
    xenstore.read("/a");
    FAIL();
  } catch (const XenstoreLost& loss) {
    EXPECT_EQ(loss.code(), std::errc::timed_out);
  }
}

/// The library waits without end while xenstored takes no connection.
TEST_F(XenXenstoreTest, WhoWatchesTheThreadKnowsThatItWaitsForTheConnection) {
  ReplyTimeout limit(std::chrono::seconds(20));
  bool known = false;
  store_.in_open = [&] { known = limit.was_used(); };
  const XenXenstore xenstore(control_, &limit);
  EXPECT_TRUE(known);
}

TEST_F(XenXenstoreTest, OnlyIntroducedDomainsAreAliveUnlessWeMayNotKnow) {
  XenXenstore xenstore(control_);
  store_.domains = {0, 3};
  EXPECT_TRUE(xenstore.domain_alive(3));
  EXPECT_FALSE(xenstore.domain_alive(4));
  store_.error = EACCES;  // oxenstored's in a driver domain
  EXPECT_TRUE(xenstore.domain_alive(4));
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

const char* xs_daemon_socket() {
  return store->socket_path.c_str();
}
xs_handle* xs_open(unsigned long) {
  if (!tapring::works()) return nullptr;
  if (store->in_open) store->in_open();
  store->connect();
  return &store->handle;
}
void xs_close(xs_handle*) {
  if (!store->leaves_client) store->client = tapring::UniqueFd();
}
int xs_fileno(xs_handle*) {
  return store->fd.get();
}

void* xs_read(xs_handle*, xs_transaction_t, const char* path, unsigned int* length) {
  if (store->in_call) store->in_call();
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
    errno = EAGAIN;
    return nullptr;
  }
  const auto [path, token] = store->events.front();
  store->events.pop_front();
  return tapring::in_one_piece({path, token});
}

bool xs_is_domain_introduced(xs_handle*, unsigned int domain) {
  if (!tapring::works()) return false;
  return store->domains.contains(domain);
}

}  // extern "C"
