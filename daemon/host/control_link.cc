// SPDX-License-Identifier: MIT
#include "daemon/host/control_link.h"

#include <pthread.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <exception>
#include <utility>

#include "daemon/host/decimal.h"

namespace tapring {
namespace {

/// Of a result that says that a call failed: see Message::Kind::error.
[[noreturn]] void throw_refusal(const Message& error) {
  const std::vector<std::string>& words = error.words;
  if (words.size() != 3) throw ControlRefused(EPROTO, "the control process", false);
  throw ControlRefused(parse_decimal<int>(words[0]).value_or(EPROTO), words[1], words[2] == "1");
}

}  // namespace

ControlLink::ControlLink(UniqueFd listener, Executor& main, std::vector<std::string> hello)
    : listener_(std::move(listener)), main_(main), hello_(std::move(hello)) {}

void ControlLink::start() {
  connect();
  std::thread([this] {
    ::pthread_setname_np(::pthread_self(), "control-link");
    for (;; connect()) {
      talk();
      lose();
    }
  }).detach();
}

/// Waits for a control process.
void ControlLink::connect() {
  auto socket = std::make_shared<MessageSocket>(accept_control());
  try {
    socket->send({Message::Kind::tell, Verb::hello, 0, hello_});
  } catch (const std::system_error& error) {
    spdlog::debug("control process: {}", error.what());  // it has gone again, as talk() finds out
  }
  const std::lock_guard lock(mutex_);
  socket_ = std::move(socket);
}

UniqueFd ControlLink::accept_control() const {
  for (;;) {
    UniqueFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    ucred peer{};
    socklen_t length = sizeof peer;
    const bool is_ours = socket &&
                         ::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
                         peer.uid == ::geteuid();
    if (is_ours) return socket;
    // Out of descriptors, perhaps: not at once again.
    if (!socket) std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

void ControlLink::talk() {
  const std::shared_ptr<MessageSocket> socket = socket_;  // which no other thread changes
  while (auto message = socket->receive()) take(*std::move(message));
}

/// On the thread that listens, which waits for nobody but the control process.
void ControlLink::take(Message message) {
  const bool is_result =
      message.kind == Message::Kind::result || message.kind == Message::Kind::error;
  const std::lock_guard lock(mutex_);
  if (is_result) {
    const auto waiting = calls_.find(message.number);
    if (waiting != calls_.end()) waiting->second = std::move(message);
    changed_.notify_all();
    return;
  }
  incoming_.push_back(std::move(message));
  main_.post([this] { deliver(); });
}

void ControlLink::lose() {
  {
    const std::lock_guard lock(mutex_);
    socket_ = nullptr;
    for (auto& [number, outcome] : calls_) {
      if (std::holds_alternative<std::monostate>(outcome)) outcome = Lost{};
    }
    incoming_.clear();
  }
  changed_.notify_all();
  main_.post([this] {
    if (lost_) lost_();
  });
}

Message ControlLink::call(Verb verb, std::vector<std::string> words,
                          std::vector<UniqueFd> descriptors) {
  std::unique_lock lock(mutex_);
  if (!socket_) throw ControlLost(ENOTCONN);
  const uint64_t number = next_number_++;
  const auto waiting = calls_.emplace(number, std::monostate{}).first;
  waited_for_ = true;
  try {
    socket_->send({Message::Kind::call, verb, number, std::move(words), std::move(descriptors)});
  } catch (const std::system_error& error) {
    calls_.erase(waiting);
    throw ControlLost(error.code().value());
  }
  changed_.wait(lock, [&] { return !std::holds_alternative<std::monostate>(waiting->second); });
  Outcome outcome = std::move(waiting->second);
  calls_.erase(waiting);
  lock.unlock();
  if (std::holds_alternative<Lost>(outcome)) throw ControlLost(ECONNRESET);
  Message result = std::move(std::get<Message>(outcome));
  if (result.kind == Message::Kind::error) throw_refusal(result);
  return result;
}

void ControlLink::tell(Verb verb, std::vector<std::string> words) {
  send({Message::Kind::tell, verb, 0, std::move(words)});
}

void ControlLink::send(Message message) {
  const std::lock_guard lock(mutex_);
  if (!socket_) return;
  try {
    socket_->send(std::move(message));
  } catch (const std::system_error&) {
    // The thread that listens finds out.
  }
}

/// But no calls, which may do what the caller is about to do.
void ControlLink::take_told() {
  deliver(Message::Kind::tell);
}

/// Hands on what is there, one at a time, as a handler may take some itself.
void ControlLink::deliver(std::optional<Message::Kind> only) {
  for (;;) {
    std::unique_lock lock(mutex_);
    if (incoming_.empty() || (only && incoming_.front().kind != *only)) return;
    const Message message = std::move(incoming_.front());
    incoming_.pop_front();
    lock.unlock();
    handle(message);
  }
}

void ControlLink::handle(const Message& message) {
  if (message.kind == Message::Kind::call) return answer(message);
  const auto told = told_.find(message.verb);
  if (told != told_.end() && told->second) told->second(message);
}

void ControlLink::answer(const Message& call) {
  const auto answerer = answerers_.find(call.verb);
  if (answerer == answerers_.end()) {
    return send({Message::Kind::error, call.verb, call.number, {std::to_string(ENOSYS), "", "0"}});
  }
  send({Message::Kind::result, call.verb, call.number, answerer->second(call)});
}

void ControlLink::on_told(Verb verb, std::function<void(const Message&)> handler) {
  told_[verb] = std::move(handler);
}

void ControlLink::on_call(Verb verb, Answerer answerer) {
  answerers_[verb] = std::move(answerer);
}

void ControlLink::on_lost(std::function<void()> handler) {
  lost_ = std::move(handler);
}

bool ControlLink::was_waited_for() {
  const std::lock_guard lock(mutex_);
  return std::exchange(waited_for_, !calls_.empty());
}

}  // namespace tapring
