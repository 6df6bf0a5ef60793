// SPDX-License-Identifier: MIT
#include "daemon/vbd/supervisor.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <iterator>
#include <system_error>
#include <utility>

#include "daemon/host/decimal.h"
#include "daemon/vbd/stale_records.h"
#include "daemon/xenstore/own_vbds.h"

namespace tapring {
namespace {

// What a worker has to answer a request of the control socket. Its main thread waits for nothing
// but xenstored.
constexpr std::chrono::milliseconds kAnswerPatience{1000};

// A worker that ends sooner after its start than this ends again, most likely.
constexpr std::chrono::milliseconds kShortLife{2000};
constexpr std::chrono::milliseconds kPauseAfterShortLife{1000};

}  // namespace

Supervisor::Supervisor(const SupervisorPorts& ports, std::vector<std::string> kinds,
                       std::string version, std::string configuration, Isolation isolation)
    : store_(ports.store),
      assignment_(ports.store, isolation),
      control_(ports.control, log_limit_),
      background_(ports.background),
      timer_(ports.timer),
      processes_(ports.processes),
      records_(ports.journals, ports.witnesses, ports.background),
      kinds_(std::move(kinds)),
      version_(std::move(version)),
      configuration_(std::move(configuration)) {}

void Supervisor::start(Work serving) {
  serving_ = std::move(serving);
  // Each by itself, as what it makes us ask of xenstore may fail.
  store_.deliver_to([this](const WatchEvent& event) {
    control_.post([this, event] { on_event(event); });
  });
  for (const std::string& name : processes_.left()) need_worker(name);
  store_.connect([this] { on_connected(); });
}

/// On each new connection. The workers' watches went with the last one, so they begin anew.
void Supervisor::on_connected() {
  backend_ = own_domain(store_);
  for (auto& [name, worker] : workers_) {
    worker.view->forget();
    if (!worker.process) continue;
    worker.process->send({Message::Kind::tell, Verb::store_lost, 0, {"it was connected anew"}});
  }
  if (serving_) drop_stale_records();
  watch_kinds();
  // Before a worker asks: it gets what is of its disks.
  for (const std::string& kind : kinds_) scan(kind);
  if (serving_) std::exchange(serving_, nullptr)();
}

/// Not those of a worker that is there: it drops its own, when it starts at the latest, and serves
/// on where an xenstored that begins anew has no node.
void Supervisor::drop_stale_records() {
  records_.drop([this](const std::string& disk) {
    const auto name = parse_sysfs_name(disk);
    const auto worker = name ? assignment_.worker_of(*name) : std::nullopt;
    return !(worker && workers_.contains(*worker)) && is_stale_record(store_, backend_, disk);
  });
}

/// Each watch fires once at its start, which scans the nodes that are there.
void Supervisor::watch_kinds() {
  for (; watched_ < kinds_.size(); ++watched_) {
    const std::string& kind = kinds_[watched_];
    store_.watch(fmt::format("{}/{}", backend_root(backend_), kind), kind);
  }
  if (watched_ > kinds_.size()) return;
  store_.watch(kReleaseDomain, kReleaseDomain);
  ++watched_;
}

void Supervisor::on_event(const WatchEvent& event) {
  // A worker's own watch has the worker's name before the token.
  const std::size_t bar = event.token.find('|');
  if (bar != std::string::npos) {
    const auto worker = workers_.find(event.token.substr(0, bar));
    if (worker != workers_.end()) {
      worker->second.view->deliver(event.path, event.token.substr(bar + 1));
    }
    return;
  }
  if (event.token == kReleaseDomain) {
    forget_disks();
    for (auto& [name, worker] : workers_) worker.view->deliver_shared(event.path, kReleaseDomain);
    return;
  }
  const auto name = parse_vbd_path(event.path, backend_);
  if (!name) return scan(event.token);
  // A change within a node that is known needs no look: only the worker has to know.
  const bool is_within = event.path.size() > name->backend_path(backend_).size();
  if (!is_within || !nodes_.contains(*name)) look_at(*name);
  const auto worker = workers_.find(assignment_.worker_of(*name).value_or(""));
  if (worker == workers_.end()) return;
  worker->second.view->deliver_shared(event.path,
                                      fmt::format("{}/{}", backend_root(backend_), name->kind));
}

void Supervisor::scan(const std::string& kind) {
  const std::string root = fmt::format("{}/{}", backend_root(backend_), kind);
  const std::vector<VbdName> there = list_vbds(store_, backend_, kind);
  std::set<VbdName> seen(there.begin(), there.end());
  for (const VbdName& name : nodes_) {
    if (name.kind == kind) seen.insert(name);
  }
  for (const VbdName& name : seen) look_at(name);
  for (auto& [name, worker] : workers_) worker.view->deliver_shared(root, root);
}

/// Whether the node is there, so that its worker is to be there too.
void Supervisor::look_at(const VbdName& name) {
  if (!has_node(name)) {
    nodes_.erase(name);
    return stop_if_unneeded(assignment_.worker_of(name).value_or(""));
  }
  const bool is_new = !nodes_.contains(name);
  const auto worker = is_new ? assignment_.assign(name) : assignment_.worker_of(name);
  if (!worker) return;  // another event comes with what is missing
  nodes_.insert(name);
  if (!shutting_down_) need_worker(*worker);
}

/// The numbers of domains are used again. A worker may have to let go of a disk whose node is gone.
void Supervisor::forget_disks() {
  assignment_.forget_but([this](const VbdName& disk, const std::string& name) {
    const auto worker = workers_.find(name);
    return nodes_.contains(disk) || (worker != workers_.end() && !worker->second.is_empty);
  });
}

bool Supervisor::has_node(const VbdName& name) {
  return store_.read(name.backend_path(backend_) + "/frontend").has_value();
}

Supervisor::Workers::iterator Supervisor::need_worker(const std::string& name) {
  const auto known = workers_.find(name);
  if (known != workers_.end()) return known;
  const auto made = workers_.emplace(name, Worker{}).first;
  made->second.view = std::make_unique<StoreView>(
      store_,
      StoreView::Scope{
          name, [this, name](const VbdName& vbd) { return owns(name, vbd); },
          [this, name](DomainId domain) { return assignment_.serves(name, domain); }},
      [this, name](Message message) {
        const auto worker = workers_.find(name);
        const bool is_there = worker != workers_.end() && worker->second.process;
        if (is_there) worker->second.process->send(std::move(message));
      });
  start_process(name);
  return workers_.find(name);
}

void Supervisor::start_process(const std::string& name) {
  Worker& worker = workers_.at(name);
  worker.started = timer_.now();
  worker.heard = std::chrono::system_clock::now();
  worker.is_empty = false;
  try {
    worker.process = processes_.start(
        name, {.said = [this, name](Message message) { said(name, std::move(message)); },
               .ended = [this, name](const std::string& why) { ended(name, why); }});
  } catch (const std::exception& error) {
    control_.post(
        [this, name, why = fmt::format("it could not be started: {}", error.what())] {
          ended(name, why);
        });
  }
}

void Supervisor::said(const std::string& name, Message message) {
  Worker& worker = workers_.at(name);
  worker.heard = std::chrono::system_clock::now();
  switch (message.kind) {
    case Message::Kind::call:
      return answer(name, worker, message);
    case Message::Kind::result:
    case Message::Kind::error:
      return take_answer(name, worker, message);
    case Message::Kind::tell:
      break;
  }
  if (message.verb == Verb::hello) return greeted(name, message);
  if (message.verb == Verb::store_unwatch && message.words.size() == 2) {
    return worker.view->unwatch(message.words[0], message.words[1]);
  }
  if (message.words.size() != 1) return;
  if (message.verb == Verb::is_empty) {
    worker.is_empty = message.words[0] == "1";
    return stop_if_unneeded(name);
  }
  if (message.verb == Verb::outdated) replace(name, worker, message.words[0]);
}

void Supervisor::greeted(const std::string& name, const Message& hello) {
  Worker& worker = workers_.at(name);
  worker.view->forget();
  const bool is_ours = hello.words == std::vector{std::to_string(kProtocolVersion), version_};
  if (is_ours && !shutting_down_) {
    return worker.process->send({Message::Kind::tell, Verb::configure, 0, {configuration_}});
  }
  if (!is_ours) return replace(name, worker, "it is of another version");
  worker.stopping = true;
  worker.process->stop();
}

/// It serves on until it has let go of its disks, which the next one takes up.
void Supervisor::replace(const std::string& name, Worker& worker, const std::string& why) {
  if (worker.stopping) return;
  spdlog::info("{}: replacing its worker process: {}", name, why);
  worker.stopping = true;
  worker.process->stop();
}

void Supervisor::answer(const std::string& name, Worker& worker, Message& call) {
  const auto refuse = [&](const std::system_error& error, bool store_lost) {
    worker.process->send(
        {Message::Kind::error,
         call.verb,
         call.number,
         {std::to_string(error.code().value()), error.what(), store_lost ? "1" : "0"}});
  };
  try {
    serve(name, worker, call);
  } catch (const XenstoreLost& loss) {
    refuse(loss, true);
  } catch (const std::system_error& error) {
    refuse(error, false);
  }
}

void Supervisor::reply(Worker& worker, const Message& call, std::vector<std::string> words,
                       std::vector<UniqueFd> descriptors) {
  worker.process->send(
      {Message::Kind::result, call.verb, call.number, std::move(words), std::move(descriptors)});
}

void Supervisor::serve(const std::string& name, Worker& worker, Message& call) {
  const auto word = [&call](std::size_t number) -> const std::string& {
    if (number < call.words.size()) return call.words[number];
    throw std::system_error(EINVAL, std::system_category(), "a worker's words");
  };
  const auto is_own = [&](const std::string& disk) {
    const auto vbd = parse_sysfs_name(disk);
    return vbd && owns(name, *vbd);
  };
  switch (call.verb) {
    case Verb::store_connect:
      if (!store_.absence().empty()) throw XenstoreLost(ENOTCONN, store_.absence());
      worker.view->forget();
      return reply(worker, call, {});
    case Verb::witness_keep:
      // No more than there are disks: each takes descriptors of this process.
      require_own_node(name, word(0));
      records_.witnesses().keep(word(0), std::move(call.descriptors));
      return reply(worker, call, {});
    case Verb::witness_fetch: {
      require_own(name, word(0));
      auto witnesses = records_.witnesses().fetch(word(0));
      return reply(worker, call, {witnesses.empty() ? "0" : "1"}, std::move(witnesses));
    }
    case Verb::witness_remove:
      require_own(name, word(0));
      return remove_witnesses(name, call);
    case Verb::witness_list:
      return reply(worker, call, records_.disks_with_witnesses(is_own));
    case Verb::journal_open: {
      require_own_node(name, word(0));
      std::vector<UniqueFd> file;
      file.push_back(records_.open_journal(call.words));
      return reply(worker, call, {}, std::move(file));
    }
    case Verb::journal_remove:
      require_own(name, word(0));
      records_.remove_journals(word(0));
      return reply(worker, call, {});
    case Verb::journal_list:
      return reply(worker, call, records_.disks_with_journals(is_own));
    case Verb::disks_elsewhere:
      return reply(worker, call, disks_elsewhere(name, call));
    default:
      return reply(worker, call, worker.view->answer(call, backend_));
  }
}

/// A worker that was taken over must not reach the witnesses of others.
VbdName Supervisor::require_own(const std::string& worker, const std::string& disk) {
  const auto name = parse_sysfs_name(disk);
  if (name && owns(worker, *name)) return *name;
  // Whose it is stands there.
  if (!store_.absence().empty()) throw XenstoreLost(ENOTCONN, store_.absence());
  throw std::system_error(EACCES, std::system_category(), "a disk of another worker");
}

void Supervisor::require_own_node(const std::string& worker, const std::string& disk) {
  const VbdName vbd = require_own(worker, disk);
  if (nodes_.contains(vbd) || has_node(vbd)) return;
  throw std::system_error(ENOENT, std::system_category(), "the node of " + disk);
}

/// A worker has no more disks than there are nodes for, whatever it says: the others' count too.
std::vector<std::string> Supervisor::disks_elsewhere(const std::string& name, const Message& call) {
  const auto own = parse_decimal<uint64_t>(call.words.empty() ? "" : call.words.front());
  Worker& worker = workers_.at(name);
  worker.disks = std::min<uint64_t>(own.value_or(0), nodes_of(name).size());
  return {std::to_string(disks() - worker.disks)};
}

void Supervisor::remove_witnesses(const std::string& name, const Message& call) {
  auto removed = records_.witnesses().remove(call.words.front());
  background_.run("witnesses", [this, name, verb = call.verb, number = call.number,
                                closed = std::move(removed)]() mutable {
    closed.clear();
    records_.witnesses().await_removed();
    control_.post([this, name, verb, number] {
      const auto worker = workers_.find(name);
      if (worker == workers_.end() || !worker->second.process) return;
      worker->second.process->send({Message::Kind::result, verb, number});
    });
  });
}

void Supervisor::take_answer(const std::string& name, Worker& worker, const Message& result) {
  const auto question = worker.questions.extract(result.number);
  if (question.empty()) return;  // too late
  const bool is_answer = result.kind == Message::Kind::result && result.words.size() == 1;
  question.mapped()->take(is_answer ? WorkerAnswer{name, result.words.front()} : silence_of(name));
}

WorkerAnswer Supervisor::silence_of(const std::string& name) {
  return {name, {}, workers_.at(name).heard, nodes_of(name)};
}

std::vector<VbdName> Supervisor::nodes_of(const std::string& worker) {
  std::vector<VbdName> names;
  std::ranges::copy_if(nodes_, std::back_inserter(names),
                       [&](const VbdName& name) { return owns(worker, name); });
  return names;
}

void Supervisor::ask_all(const std::string& request,
                         std::function<void(std::vector<WorkerAnswer>)> then) {
  const auto question = std::make_shared<WorkerQuestion>();
  question->then = std::move(then);
  // One for this function, so that it does not end before all are asked.
  question->awaited = 1 + workers_.size();
  for (auto& [name, worker] : workers_) {
    if (!worker.process) {
      question->take(silence_of(name));
      continue;
    }
    const uint64_t number = next_number_++;
    worker.questions.emplace(number, question);
    worker.process->send({Message::Kind::call, Verb::request, number, {request}});
    timer_.after(kAnswerPatience, [this, name, number] {
      const auto asked = workers_.find(name);
      if (asked == workers_.end()) return;
      const auto unanswered = asked->second.questions.extract(number);
      if (!unanswered.empty()) unanswered.mapped()->take(silence_of(name));
    });
  }
  question->awaited -= 1;
  if (question->awaited == 0) std::exchange(question->then, nullptr)(std::move(question->answers));
}

void Supervisor::configure(std::string toml) {
  configuration_ = std::move(toml);
  for (auto& [name, worker] : workers_) {
    if (!worker.process) continue;
    worker.process->send({Message::Kind::tell, Verb::configure, 0, {configuration_}});
  }
}

uint64_t Supervisor::disks() const {
  uint64_t sum = 0;
  for (const auto& [name, worker] : workers_) sum += worker.disks;
  return sum;
}

/// Its guests wait. The next one takes their disks up, as all that the process held is free now.
void Supervisor::ended(const std::string& name, const std::string& why) {
  Worker& worker = workers_.at(name);
  worker.view->forget();
  const bool was_stopped = std::exchange(worker.stopping, false);
  for (auto& [number, question] : std::exchange(worker.questions, {}))
    question->take(silence_of(name));
  control_.post([process = std::move(worker.process)] {});
  worker.disks = 0;
  if (!was_stopped) spdlog::error("{}: its worker process has ended: {}", name, why);
  if (shutting_down_ || !is_needed(name)) return forget(name);
  const bool at_once = was_stopped || timer_.now() - worker.started > kShortLife;
  timer_.after(at_once ? std::chrono::milliseconds::zero() : kPauseAfterShortLife, [this, name] {
    const auto waiting = workers_.find(name);
    if (waiting == workers_.end() || waiting->second.process) return;
    shutting_down_ || !is_needed(name) ? forget(name) : start_process(name);
  });
}

/// Of a worker that has no disk any more. Where it was killed, nobody else drops what is kept of
/// those that have gone since.
void Supervisor::forget(const std::string& name) {
  workers_.erase(name);
  if (shutting_down_ || !store_.absence().empty()) return;
  control_.post([this] { drop_stale_records(); });
}

bool Supervisor::is_needed(const std::string& name) {
  return std::ranges::any_of(nodes_, [&](const VbdName& vbd) { return owns(name, vbd); });
}

void Supervisor::stop_if_unneeded(const std::string& name) {
  const auto found = workers_.find(name);
  if (found == workers_.end()) return;
  Worker& worker = found->second;
  if (!worker.is_empty || worker.stopping || !worker.process || is_needed(name)) return;
  worker.stopping = true;
  worker.process->stop();
}

void Supervisor::shut_down() {
  shutting_down_ = true;
  for (auto entry = workers_.begin(); entry != workers_.end();) {
    Worker& worker = entry->second;
    if (!worker.process) {
      entry = workers_.erase(entry);
      continue;
    }
    worker.stopping = true;
    worker.process->stop();
    ++entry;
  }
}

}  // namespace tapring
