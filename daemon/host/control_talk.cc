// SPDX-License-Identifier: MIT
#include "daemon/host/control_talk.h"

#include <cerrno>
#include <system_error>
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

void ControlTalk::connected(std::shared_ptr<Wire> wire) {
  const std::lock_guard lock(mutex_);
  wire_ = std::move(wire);
}

/// Waits for nobody but the control process.
void ControlTalk::take(Message message) {
  const bool is_result =
      message.kind == Message::Kind::result || message.kind == Message::Kind::error;
  const std::lock_guard lock(mutex_);
  if (is_result) {
    const auto waiting = calls_.find(message.number);
    if (waiting != calls_.end()) waiting->second = std::move(message);
    wake_waiting();
    return;
  }
  incoming_.push_back(std::move(message));
  main_.post([this] { deliver(); });
}

void ControlTalk::lose() {
  {
    const std::lock_guard lock(mutex_);
    wire_ = nullptr;
    for (auto& [number, outcome] : calls_) {
      if (std::holds_alternative<std::monostate>(outcome)) outcome = Lost{};
    }
    incoming_.clear();
  }
  wake_waiting();
  main_.post([this] {
    if (lost_) lost_();
  });
}

Message ControlTalk::call(Verb verb, std::vector<std::string> words,
                          std::vector<UniqueFd> descriptors) {
  std::unique_lock lock(mutex_);
  if (!wire_) throw ControlLost(ENOTCONN);
  const uint64_t number = next_number_++;
  const auto waiting = calls_.emplace(number, std::monostate{}).first;
  waited_for_ = true;
  try {
    wire_->send({Message::Kind::call, verb, number, std::move(words), std::move(descriptors)});
  } catch (const std::system_error& error) {
    calls_.erase(waiting);
    throw ControlLost(error.code().value());
  }
  wait(lock, [&] { return !std::holds_alternative<std::monostate>(waiting->second); });
  Outcome outcome = std::move(waiting->second);
  calls_.erase(waiting);
  lock.unlock();
  if (std::holds_alternative<Lost>(outcome)) throw ControlLost(ECONNRESET);
  Message result = std::move(std::get<Message>(outcome));
  if (result.kind == Message::Kind::error) throw_refusal(result);
  return result;
}

void ControlTalk::tell(Verb verb, std::vector<std::string> words) {
  send({Message::Kind::tell, verb, 0, std::move(words)});
}

void ControlTalk::send(Message message) {
  const std::lock_guard lock(mutex_);
  if (!wire_) return;
  try {
    wire_->send(std::move(message));
  } catch (const std::system_error&) {
    // The thread that listens finds out.
  }
}

/// But no calls, which may do what the caller is about to do.
void ControlTalk::take_told() {
  deliver(Message::Kind::tell);
}

/// Hands on what is there, one at a time, as a handler may take some itself.
void ControlTalk::deliver(std::optional<Message::Kind> only) {
  for (;;) {
    std::unique_lock lock(mutex_);
    if (incoming_.empty() || (only && incoming_.front().kind != *only)) return;
    const Message message = std::move(incoming_.front());
    incoming_.pop_front();
    lock.unlock();
    handle(message);
  }
}

void ControlTalk::handle(const Message& message) {
  if (message.kind == Message::Kind::call) return answer(message);
  const auto told = told_.find(message.verb);
  if (told != told_.end() && told->second) told->second(message);
}

void ControlTalk::answer(const Message& call) {
  const auto answerer = answerers_.find(call.verb);
  if (answerer == answerers_.end()) {
    return send({Message::Kind::error, call.verb, call.number, {std::to_string(ENOSYS), "", "0"}});
  }
  send({Message::Kind::result, call.verb, call.number, answerer->second(call)});
}

void ControlTalk::on_told(Verb verb, std::function<void(const Message&)> handler) {
  told_[verb] = std::move(handler);
}

void ControlTalk::on_call(Verb verb, Answerer answerer) {
  answerers_[verb] = std::move(answerer);
}

void ControlTalk::on_lost(std::function<void()> handler) {
  lost_ = std::move(handler);
}

bool ControlTalk::was_waited_for() {
  const std::lock_guard lock(mutex_);
  return std::exchange(waited_for_, !calls_.empty());
}

}  // namespace tapring
