// SPDX-License-Identifier: MIT
#include "tests/sim/control_link.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace tapring::sim {
namespace {

using std::chrono_literals::operator""s;
using std::chrono_literals::operator""us;
using Side = SimMessagePair::Side;

constexpr Latency kToAccept{1us, 300us};
// A control process that lives answers every call.
constexpr Time kMostWaited = 30s;

}  // namespace

class SimControlLink::PairWire final : public Wire {
 public:
  explicit PairWire(std::shared_ptr<SimMessagePair> pair) noexcept : pair_(std::move(pair)) {}
  void send(Message message) override { pair_->send(Side::worker, std::move(message)); }

 private:
  std::shared_ptr<SimMessagePair> pair_;
};

void SimControlLink::connect(std::shared_ptr<SimMessagePair> pair) {
  if (dead_) return pair->close(Side::worker);
  backlog_.push_back(std::move(pair));
  world_.after(kToAccept, [this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) accept();
  });
}

void SimControlLink::accept() {
  if (dead_ || pair_ || backlog_.empty()) return;
  pair_ = std::move(backlog_.front());
  backlog_.pop_front();
  const auto ended = [this] {
    pair_->close(Side::worker);
    pair_ = nullptr;
    lose();
    accept();
  };
  pair_->attach(Side::worker,
                {.take = [this](Message message) { take(std::move(message)); },
                 .ended = ended,
                 .die = die_});
  try {
    pair_->send(Side::worker, {Message::Kind::tell, Verb::hello, 0, hello_});
  } catch (const std::system_error&) {
    // It has gone again, or this process dies.
  }
  if (dead_) return;
  connected(std::make_shared<PairWire>(pair_));
  if (first_) main_.post(std::exchange(first_, nullptr));
}

void SimControlLink::die() {
  if (std::exchange(dead_, true)) return;
  if (pair_) pair_->close(Side::worker);
  for (const auto& pair : std::exchange(backlog_, {})) pair->close(Side::worker);
}

Message SimControlLink::call(Verb verb, std::vector<std::string> words,
                             std::vector<UniqueFd> descriptors) {
  if (!dead_) {
    try {
      return ControlTalk::call(verb, words, std::move(descriptors));
    } catch (const ControlLost&) {
      if (!dead_) throw;
    }
  }
  return answer_to_dead(verb, words);
}

/// What lets a process that is none any more come to its end.
Message SimControlLink::answer_to_dead(Verb verb, const std::vector<std::string>& words) {
  Message answer{Message::Kind::result, verb};
  switch (verb) {
    case Verb::store_connect:
      throw ControlLost(ECONNREFUSED);
    case Verb::store_commit:
    case Verb::store_alive:
      answer.words = {"1"};
      break;
    case Verb::journal_open:
      answer.descriptors.emplace_back(::memfd_create("journal", MFD_CLOEXEC));
      if (::ftruncate(answer.descriptors.front().get(), std::stol(words.at(2))) != 0) {
        throw std::system_error(errno, std::system_category(), "a journal");
      }
      break;
    default:
      break;
  }
  return answer;
}

void SimControlLink::wait(std::unique_lock<std::mutex>& lock,
                          const std::function<bool()>& is_answered) {
  lock.unlock();
  ++waiting_;
  const Time limit = world_.now() + kMostWaited;
  while (!is_answered()) {
    // To the end of what it says the control process hears it at once: who waits does nothing else.
    const auto pair = pair_;
    if (dead_) {
      lose();
      continue;
    }
    if (pair && (pair->deliver(Side::control) || pair->deliver(Side::worker))) continue;
    if (!world_.step() || world_.now() > limit) {
      throw std::runtime_error("the control process does not answer a call");
    }
  }
  --waiting_;
  lock.lock();
}

}  // namespace tapring::sim
