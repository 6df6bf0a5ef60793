// SPDX-License-Identifier: MIT
#include "daemon/control/control.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <boost/json.hpp>
#include <cstring>
#include <fstream>
#include <future>
#include <string>
#include <system_error>

#include "ring/unique_fd.h"
#include "tests/daemon/control/served_control.h"
#include "tests/daemon/control/fake_reporter.h"
#include "tests/daemon/temporary_directory.h"

namespace tapring {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

sockaddr_un address_of(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  return address;
}

/// A client that may behave badly.
class Client {
 public:
  explicit Client(const std::filesystem::path& socket) : fd_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
    const sockaddr_un address = address_of(socket);
    EXPECT_EQ(::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
              0);
    const timeval limit{10, 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  }

  void send(const std::string& text) {
    EXPECT_EQ(::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }

  void send_no_more() { ::shutdown(fd_.get(), SHUT_WR); }

  /// The next line, or what came of it before the connection was closed.
  std::string line() {
    std::string line;
    char c = 0;
    while (::recv(fd_.get(), &c, 1, 0) == 1) {
      line += c;
      if (c == '\n') break;
    }
    return line;
  }

  /// True if the other end closes the connection before any time limit of ours.
  bool closed() {
    char c = 0;
    const ssize_t length = ::recv(fd_.get(), &c, 1, 0);
    return length == 0 || (length < 0 && errno == ECONNRESET);
  }

 private:
  UniqueFd fd_;
};

class ControlTest : public testing::Test {
 protected:
  std::filesystem::path run_dir() const { return directory_.path() / "run"; }
  std::filesystem::path socket() const { return control_socket_path(run_dir()); }

  /// Leaves a bound socket that nobody listens at, as a killed daemon does.
  void leave_stale_socket() {
    std::filesystem::create_directories(run_dir());
    const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM, 0));
    const sockaddr_un address = address_of(socket());
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  }

  std::string refusal_to_start() {
    try {
      const ServedControl control(run_dir(), reporter_);
    } catch (const std::system_error& error) {
      return error.what();
    }
    return "none";
  }

  FakeReporter reporter_;

 private:
  TemporaryDirectory directory_;
};

constexpr const char* kList = "{\"command\":\"list\"}\n";

TEST_F(ControlTest, AnswersRequestAfterRequest) {
  reporter_.set({connected_disk(0)});
  const ServedControl control(run_dir(), reporter_);
  Client client(socket());
  for (int i = 0; i < 3; ++i) {
    client.send(kList);
    EXPECT_THAT(client.line(), HasSubstr("\"disk\":\"0/xvda\""));
  }
}

TEST_F(ControlTest, RequestsSentTogetherAreAnsweredInOrder) {
  const ServedControl control(run_dir(), reporter_);
  Client client(socket());
  client.send(std::string("{\"command\":\"version\"}\n") + kList + "nonsense\n");
  EXPECT_THAT(client.line(), HasSubstr("liburing"));
  EXPECT_THAT(client.line(), HasSubstr("disks"));
  EXPECT_THAT(client.line(), StartsWith("{\"ok\":false"));
}

TEST_F(ControlTest, ManyDisksFitAnAnswer) {
  reporter_.set(std::vector<DiskReport>(3000, connected_disk(1)));
  const ServedControl control(run_dir(), reporter_);
  Client client(socket());
  client.send(kList);
  const auto answer = boost::json::parse(client.line());
  EXPECT_EQ(answer.at("disks").as_array().size(), 3000U);
}

TEST_F(ControlTest, OnlyRootMayConnect) {
  const ServedControl control(run_dir(), reporter_);
  struct stat status{};
  ASSERT_EQ(::stat(socket().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
}

TEST_F(ControlTest, TheSocketIsRemovedAtTheEnd) {
  ServedControl control(run_dir(), reporter_);
  EXPECT_TRUE(std::filesystem::exists(socket()));
  control.stop();
  EXPECT_FALSE(std::filesystem::exists(socket()));
}

TEST_F(ControlTest, ClientsAreClosedAtTheEnd) {
  ServedControl control(run_dir(), reporter_);
  Client idle(socket());
  idle.send("{\"comm");
  control.stop();
  EXPECT_TRUE(idle.closed());
}

TEST_F(ControlTest, AStaleSocketIsReplaced) {
  leave_stale_socket();
  const ServedControl control(run_dir(), reporter_);
  Client client(socket());
  client.send(kList);
  EXPECT_THAT(client.line(), StartsWith("{\"ok\":true"));
}

TEST_F(ControlTest, ASecondDaemonIsRefusedAndDisturbsNothing) {
  const ServedControl control(run_dir(), reporter_);
  EXPECT_THAT(refusal_to_start(), HasSubstr("another tapringd answers at " + socket().string()));
  Client client(socket());
  client.send(kList);
  EXPECT_THAT(client.line(), StartsWith("{\"ok\":true"));
}

TEST_F(ControlTest, AFileThatIsNoSocketIsKept) {
  std::filesystem::create_directories(run_dir());
  std::ofstream(socket()) << "precious";
  EXPECT_THAT(refusal_to_start(), HasSubstr("is not a socket; remove it"));
  EXPECT_TRUE(std::filesystem::exists(socket()));
}

TEST_F(ControlTest, APathTooLongForASocketIsNamed) {
  const ControlLimits limits;
  EXPECT_THROW(ServedControl(run_dir() / std::string(100, 'x'), reporter_, limits),
               std::system_error);
}

TEST_F(ControlTest, ALongRequestIsRefusedAndTheClientDropped) {
  const ServedControl control(run_dir(), reporter_, {.request_bytes = 100});
  Client client(socket());
  client.send(std::string(101, ' '));
  EXPECT_THAT(client.line(), HasSubstr("a request may have at most 100 bytes"));
  EXPECT_TRUE(client.closed());
}

TEST_F(ControlTest, AnIdleClientIsDropped) {
  const ServedControl control(run_dir(), reporter_, {.idle = std::chrono::milliseconds(50)});
  Client client(socket());
  EXPECT_TRUE(client.closed());
}

TEST_F(ControlTest, ClientsBeyondTheBoundAreToldAndDropped) {
  const ServedControl control(run_dir(), reporter_, {.connections = 1});
  Client first(socket());
  first.send(kList);
  EXPECT_THAT(first.line(), StartsWith("{\"ok\":true"));
  Client second(socket());
  EXPECT_THAT(second.line(), HasSubstr("too many clients"));
  EXPECT_TRUE(second.closed());
}

TEST_F(ControlTest, WhatAClientAskedThatIsGoneIsNotDone) {
  reporter_.set({paused_disk(0)});
  ServedControl control(run_dir(), reporter_);
  std::promise<void> xenstored_answers;
  control.post([answer = xenstored_answers.get_future().share()] { answer.wait(); });
  Client(socket()).send(
      "{\"command\":\"policy\",\"disk\":\"0/xvdc\",\"on_no_space\":\"report\"}\n");
  Client other(socket());
  other.send(kList);
  xenstored_answers.set_value();
  EXPECT_THAT(other.line(), HasSubstr("\"on_no_space\":\"pause\""));
  other.send(kList);
  EXPECT_THAT(other.line(), HasSubstr("\"on_no_space\":\"pause\""));
}

TEST_F(ControlTest, AClientThatSendsNoMoreGetsItsAnswer) {
  const ServedControl control(run_dir(), reporter_);
  Client client(socket());
  client.send(kList);
  client.send_no_more();
  EXPECT_THAT(client.line(), HasSubstr("\"ok\":true"));
}

TEST_F(ControlTest, AClientThatDoesNotReadItsAnswerHoldsUpNobody) {
  reporter_.set(std::vector<DiskReport>(3000, connected_disk(1)));
  const ServedControl control(run_dir(), reporter_, {.idle = std::chrono::milliseconds(200)});
  Client deaf(socket());
  deaf.send(kList);
  Client other(socket());
  other.send("{\"command\":\"version\"}\n");
  EXPECT_THAT(other.line(), HasSubstr("liburing"));
}

}  // namespace
}  // namespace tapring
