// SPDX-License-Identifier: MIT
#include "daemon/xenstore/remote_xenstore.h"

#include <cerrno>
#include <utility>

#include "daemon/xenstore/store_commit.h"

namespace tapring {

/// Reads at once, and writes when it is committed, if what it read is still so.
class RemoteXenstore::Transaction final : public XenstoreTransaction {
 public:
  explicit Transaction(RemoteXenstore& store) : store_(store) {}

  std::optional<std::string> read(const std::string& path) override {
    const auto written = commit_.written.find(path);
    if (written != commit_.written.end()) return written->second;
    const auto [known, is_new] = commit_.read.try_emplace(path);
    if (is_new) known->second = store_.read(path);
    return known->second;
  }

  void write(const std::string& path, const std::string& value) override {
    commit_.written[path] = value;
  }

  Outcome commit() override {
    const auto words = store_.ask(Verb::store_commit, commit_.to_words());
    return !words.empty() && words.front() == "1" ? Outcome::done : Outcome::conflict;
  }

 private:
  RemoteXenstore& store_;
  StoreCommit commit_;
};

RemoteXenstore::RemoteXenstore(ControlPort& control) : control_(control) {
  ask(Verb::store_connect, {});
  control_.on_told(Verb::store_event, [this](const Message& event) {
    if (event.words.size() == 2 && sink_) sink_({event.words[0], event.words[1]});
  });
  control_.on_told(Verb::store_lost, [this](const Message& message) {
    lost(message.words.empty() ? "it is gone" : message.words.front());
  });
  control_.on_lost([this] { lost("the control process is gone"); });
}

RemoteXenstore::~RemoteXenstore() {
  control_.on_told(Verb::store_event, {});
  control_.on_told(Verb::store_lost, {});
  control_.on_lost({});
}

/// Whatever ends the connection to the control process, ends this.
std::vector<std::string> RemoteXenstore::ask(Verb verb, std::vector<std::string> words) {
  try {
    return control_.call(verb, std::move(words)).words;
  } catch (const ControlLost& loss) {
    throw XenstoreLost(loss.code().value(), "the control process");
  } catch (const ControlRefused& refusal) {
    if (refusal.store_lost()) throw XenstoreLost(refusal.code().value(), refusal.what());
    throw;
  }
}

std::optional<std::string> RemoteXenstore::read(const std::string& path) {
  auto words = ask(Verb::store_read, {path});
  if (words.empty()) return std::nullopt;
  return std::move(words.front());
}

std::vector<std::string> RemoteXenstore::list(const std::string& path) {
  return ask(Verb::store_list, {path});
}

std::unique_ptr<XenstoreTransaction> RemoteXenstore::begin() {
  return std::make_unique<Transaction>(*this);
}

void RemoteXenstore::watch(const std::string& path, const std::string& token) {
  ask(Verb::store_watch, {path, token});
}

void RemoteXenstore::unwatch(const std::string& path, const std::string& token) {
  control_.tell(Verb::store_unwatch, {path, token});
}

void RemoteXenstore::deliver_to(std::function<void(const WatchEvent&)> sink) {
  sink_ = std::move(sink);
}

void RemoteXenstore::on_loss(std::function<void(const std::string& reason)> told) {
  told_ = std::move(told);
}

void RemoteXenstore::take_events() {
  control_.take_told();
}

bool RemoteXenstore::domain_alive(DomainId domain) {
  const auto words = ask(Verb::store_alive, {std::to_string(domain)});
  return !words.empty() && words.front() == "1";
}

void RemoteXenstore::lost(const std::string& reason) {
  if (const auto told = std::exchange(told_, {})) told(reason);
}

}  // namespace tapring
