// SPDX-License-Identifier: MIT
#include "tests/sim/control_process.h"

#include <fmt/format.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace tapring::sim {
namespace {

constexpr const char* kKinds[] = {"vbd", "vbd3", "qdisk"};
constexpr const char* kDomainsWatch = "@releaseDomain";

/// What arrives at the other end of the socket.
Message sent(const Message& message) {
  return decode(encode(message)).value();
}

}  // namespace

SimControlProcess::SimControlProcess(std::unique_ptr<SimXenstore> store, SimExecutor& thread,
                                     DomainId own_domain)
    : store_(std::move(store)),
      thread_(thread),
      own_domain_(own_domain),
      view_(*store_, {kWorker, [](const VbdName&) { return true; }, [](DomainId) { return true; }},
            [this](Message message) {
              thread_.post([this, alive = std::weak_ptr(alive_), told = sent(message)] {
                if (!alive.expired()) deliver(told);
              });
            }) {
  store_->deliver_to([this](const WatchEvent& event) { take_event(event); });
  store_->on_loss([this](const std::string& reason) {
    deliver({Message::Kind::tell, Verb::store_lost, 0, {reason}});
  });
  for (const char* kind : kKinds) {
    store_->watch(fmt::format("{}/{}", backend_root(own_domain_), kind), kind);
  }
  store_->watch(kDomainsWatch, kDomainsWatch);
}

SimControlProcess::~SimControlProcess() {
  alive_.reset();
}

Message SimControlProcess::call(Verb verb, std::vector<std::string> words,
                                std::vector<UniqueFd> /*descriptors*/) {
  const Message call = sent({Message::Kind::call, verb, 1, std::move(words)});
  if (verb == Verb::store_connect) return {Message::Kind::result, verb, 1};
  try {
    return sent({Message::Kind::result, verb, 1, view_.answer(call, own_domain_)});
  } catch (const XenstoreLost& loss) {
    throw ControlRefused(loss.code().value(), loss.what(), /*store_lost=*/true);
  } catch (const std::system_error& error) {
    throw ControlRefused(error.code().value(), error.what(), /*store_lost=*/false);
  }
}

void SimControlProcess::tell(Verb verb, std::vector<std::string> words) {
  if (verb == Verb::store_unwatch) view_.unwatch(words.at(0), words.at(1));
}

void SimControlProcess::on_told(Verb verb, std::function<void(const Message&)> handler) {
  told_[verb] = std::move(handler);
}

void SimControlProcess::take_event(const WatchEvent& event) {
  const std::string prefix = view_.token_prefix();
  if (event.token.starts_with(prefix)) {
    return view_.deliver(event.path, event.token.substr(prefix.size()));
  }
  const bool is_kind = event.token != kDomainsWatch;
  view_.deliver_shared(
      event.path,
      is_kind ? fmt::format("{}/{}", backend_root(own_domain_), event.token) : event.token);
}

void SimControlProcess::deliver(const Message& message) {
  const auto handler = told_.find(message.verb);
  if (handler != told_.end() && handler->second) handler->second(message);
}

}  // namespace tapring::sim
