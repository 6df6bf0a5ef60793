// SPDX-License-Identifier: MIT
#include "tests/sim/worker_process.h"

#include <utility>
#include <vector>

#include "daemon/control/control_command.h"
#include "daemon/vbd/remote_neighbours.h"
#include "daemon/xenstore/remote_xenstore.h"
#include "daemon/xenstore/store_view.h"
#include "tests/sim/open_image.h"
#include "tests/sim/witness.h"

namespace tapring::sim {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using std::chrono_literals::operator""us;

constexpr Latency kToExit{10us, 2000us};
// As DiskService::stop() has it.
constexpr std::chrono::milliseconds kDrainedAfter = 10ms;
constexpr Time kDrainLimit = 20s;

}  // namespace

SimWorkerProcess::SimWorkerProcess(const SimPlace& place, SimOpenFiles& files, Start start)
    : place_(place),
      files_(files),
      start_(std::move(start)),
      background_(place.background),
      control_(std::make_unique<SimExecutor>(place.world)),
      link_(place.world, *control_, {std::to_string(kProtocolVersion), start_.version},
            [this] { die(); }),
      store_([this] { return std::make_unique<RemoteXenstore>(link_); }, *control_, *control_,
             LogLevel::debug),
      witnesses_(link_, [this](const UniqueFd& file) {
        return ask_sim_witness(place_.storage, file);
      }),
      journals_(link_, place.journals, start_.number) {
  std::vector<Worker*> pointers;
  for (std::size_t i = 0; i < place.workers; ++i) {
    pointers.push_back(&workers_.emplace_back(place).worker);
  }
  const ServerPorts ports{store_,       *control_, background_, *control_,
                          place.kernel, journals_, witnesses_,  Workers(pointers)};
  server_ = std::make_unique<Server>(ports, settings());
  link_.on_call(Verb::request, [this](const Message& call) -> std::vector<std::string> {
    return {answer_control(call.words.empty() ? "" : call.words.front(), *server_)};
  });
  link_.on_told(Verb::configure, [this](const Message&) {
    if (outdated_) return say_outdated();
    server_->configure(settings());
  });
  link_.start([this] {
    serving_ = true;
    server_->start([] {});
    if (stopping_) drain();
  });
}

SimWorkerProcess::~SimWorkerProcess() {
  // What the main thread would have done next must neither run nor outlive the server.
  control_.reset();
  server_.reset();
}

ServerSettings SimWorkerProcess::settings() {
  ServerSettings settings = place_.settings();
  settings.marker = marker_of(start_.name);
  settings.neighbours = std::make_shared<RemoteNeighbours>(link_);
  settings.open_disk = [this](const OpenRequest& request) {
    return open_sim_image_of(place_.storage, request, [this] {
      if (!dead_) files_.claim(start_.number);
      return !dead_;
    });
  };
  return settings;
}

void SimWorkerProcess::say_outdated() {
  outdated_ = true;
  link_.tell(Verb::outdated, {"by a test"});
}

void SimWorkerProcess::terminate() {
  control_->after(0ms, [this] {
    if (std::exchange(stopping_, true) || dead_) return;
    if (serving_) drain();
  });
}

/// Until it has let go of its disks, but not for ever.
void SimWorkerProcess::drain() {
  server_->shut_down();
  const auto look = [this, limit = place_.world.now() + kDrainLimit](const auto& again) -> void {
    if (dead_) return;
    if (server_->idle() || place_.world.now() > limit) return die();
    control_->after(kDrainedAfter, [again] { again(again); });
  };
  look(look);
}

void SimWorkerProcess::die() {
  if (std::exchange(dead_, true)) return;
  background_.die();
  link_.die();
  journals_.die();
  for (SimWorker& worker : workers_) worker.die();
  files_.close_of(start_.number);
  // Later, as it may be amid any work of its own.
  control_->post([this] {
    server_->shut_down();
    is_over_ = true;
  });
  for (Work& told : std::exchange(told_at_end_, {})) place_.world.after(kToExit, std::move(told));
}

void SimWorkerProcess::tell_end(Work told) {
  if (dead_) return place_.world.after(kToExit, std::move(told));
  told_at_end_.push_back(std::move(told));
}

std::size_t SimWorkerProcess::bound() const {
  std::size_t bound = 0;
  for (const SimWorker& worker : workers_) bound += worker.events.bound();
  return bound;
}

}  // namespace tapring::sim
