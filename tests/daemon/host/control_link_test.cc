// SPDX-License-Identifier: MIT
#include "daemon/host/control_link.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "daemon/host/control_thread.h"
#include "daemon/host/signals.h"

namespace tapring {
namespace {

using Words = std::vector<std::string>;

/// A worker process's end in this thread, and a control process by hand.
class ControlLinkTest : public testing::Test {
 protected:
  ControlLinkTest() {
    // As a worker process does: the thread of a link outlives its test.
    block_signals();
    address_.sun_family = AF_UNIX;
    // An abstract name: nothing is left in a file system.
    static int count = 0;
    const std::string name = fmt::format("tapring-link-{}-{}", ::getpid(), ++count);
    name.copy(address_.sun_path + 1, sizeof address_.sun_path - 1);
    UniqueFd listener(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address_), sizeof address_), 0);
    EXPECT_EQ(::listen(listener.get(), 1), 0);
    // Never destroyed, as its thread is not waited for.
    link_ = new ControlLink(std::move(listener), *main_, {"1", "version"});
    link_->on_told(Verb::store_event,
                   [this](const Message& message) { told_.push_back(message.words.front()); });
    link_->on_call(Verb::request, [](const Message& call) -> Words {
      return {"answer to " + call.words.front()};
    });
    link_->on_lost([this] { ++losses_; });
  }

  MessageSocket connect() {
    UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(socket.get(), reinterpret_cast<sockaddr*>(&address_), sizeof address_), 0);
    return MessageSocket(std::move(socket));
  }

  void run_main_until(const std::function<bool()>& done) {
    while (!done()) {
      context_->restart();
      context_->run_for(std::chrono::milliseconds(1));
    }
  }

  std::future<Words> call(Words words) {
    return std::async(std::launch::async,
                      [this, words] { return link_->call(Verb::store_read, words).words; });
  }

  sockaddr_un address_{};
  boost::asio::io_context* context_ = new boost::asio::io_context;
  ControlThread* main_ = new ControlThread(*context_);
  ControlLink* link_ = nullptr;
  Words told_;
  int losses_ = 0;
};

TEST_F(ControlLinkTest, TalksInBothDirections) {
  MessageSocket control = connect();
  link_->start();
  EXPECT_EQ(control.receive()->words, (Words{"1", "version"}));
  auto first = call({"a"});
  const auto asked = control.receive();
  auto second = call({"b"});
  const auto asked_too = control.receive();
  control.send({Message::Kind::tell, Verb::store_event, 0, {"event"}});
  control.send({Message::Kind::result, Verb::store_read, asked_too->number, {"of b"}});
  control.send({Message::Kind::result, Verb::store_read, asked->number, {"of a"}});
  EXPECT_EQ(first.get(), Words{"of a"});
  EXPECT_EQ(second.get(), Words{"of b"});
  control.send({Message::Kind::call, Verb::request, 9, {"request"}});
  std::optional<Message> answer;
  run_main_until([&] {
    answer = control.receive_some();
    return answer.has_value();
  });
  EXPECT_EQ(told_, Words{"event"});
  EXPECT_EQ(answer->number, 9U);
  EXPECT_EQ(answer->words, Words{"answer to request"});
}

TEST_F(ControlLinkTest, SaysWhyACallFailed) {
  MessageSocket control = connect();
  link_->start();
  control.receive();
  auto refused = call({"a"});
  const auto asked = control.receive();
  control.send({Message::Kind::error,
                Verb::store_read,
                asked->number,
                {std::to_string(EACCES), "why", "1"}});
  try {
    refused.get();
    FAIL() << "it did not fail";
  } catch (const ControlRefused& refusal) {
    EXPECT_EQ(refusal.code().value(), EACCES);
    EXPECT_TRUE(refusal.store_lost());
  }
}

TEST_F(ControlLinkTest, LosesItsCallsWithTheControlProcessAndHearsTheNext) {
  auto control = std::make_unique<MessageSocket>(connect());
  link_->start();
  control->receive();
  auto lost = call({"a"});
  control->receive();
  control.reset();
  EXPECT_THROW(lost.get(), ControlLost);
  run_main_until([&] { return losses_ == 1; });
  EXPECT_THROW(link_->call(Verb::store_read, {"b"}), ControlLost);
  MessageSocket next = connect();
  EXPECT_EQ(next.receive()->words, (Words{"1", "version"}));
  auto answered = call({"c"});
  const auto asked = next.receive();
  next.send({Message::Kind::result, Verb::store_read, asked->number, {"of c"}});
  EXPECT_EQ(answered.get(), Words{"of c"});
}

}  // namespace
}  // namespace tapring
