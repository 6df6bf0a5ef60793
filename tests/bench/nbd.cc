// SPDX-License-Identifier: MIT
// Measures one workload on an image that qemu-nbd serves, asked by the same client as our data
// path: the same blocks in the same order, as many at a time.
#include <fmt/format.h>
#include <poll.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <chrono>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "tests/bench/measurement.h"
#include "tests/bench/nbd_connection.h"
#include "tests/bench/qemu_nbd.h"
#include "tests/bench/workload_options.h"

namespace tapring::bench {
namespace {

using Clock = Demand::Clock;

constexpr std::chrono::seconds kPatience{30};  // between answers

struct Settings {
  Workload workload;
  QemuNbd::Options server;
  double seconds = 2;
};

std::vector<NbdConnection> negotiate(QemuNbd& server, const Workload& workload) {
  std::vector<NbdConnection> connections;
  for (UniqueFd& socket : server.take_connections()) {
    connections.emplace_back(std::move(socket), workload);
  }
  return connections;
}

class Client {
 public:
  Client(QemuNbd& server, const Workload& workload)
      : connections_(negotiate(server, workload)),
        demand_(workload, {0, connections_.front().size_bytes() / workload.block_bytes}, 1) {
    for (const NbdConnection& connection : connections_) {
      events_.push_back({connection.fd(), POLLIN, 0});
    }
  }

  void run_until(Clock::time_point end) {
    while (Clock::now() < end) turn();
  }

  /// Waits for what is in flight and disconnects. Throws std::runtime_error if a request failed.
  void end() {
    demand_.stop();
    while (demand_.in_flight() > 0) turn();
    for (NbdConnection& connection : connections_) connection.end();
    if (demand_.failures() > 0) throw std::runtime_error("requests failed");
  }

  Demand& demand() noexcept { return demand_; }

 private:
  void turn() {
    issue();
    for (std::size_t i = 0; i < connections_.size(); ++i) {
      connections_[i].send();
      events_[i].events = connections_[i].is_sending() ? POLLIN | POLLOUT : POLLIN;
    }
    const int ready =
        ::poll(events_.data(), events_.size(), std::chrono::milliseconds(kPatience).count());
    if (ready < 0 && errno == EINTR) return;
    if (ready < 0) throw std::system_error(errno, std::system_category(), "poll");
    if (ready == 0) throw std::runtime_error("qemu-nbd does not answer");
    for (std::size_t i = 0; i < connections_.size(); ++i) {
      if ((events_[i].revents & ~POLLOUT) != 0) connections_[i].receive(demand_);
    }
  }

  /// A slot belongs to one connection, so that each has an equal part of the depth.
  void issue() {
    if (!demand_.wants_more()) return;
    const Clock::time_point now = Clock::now();
    while (demand_.wants_more()) {
      const Demand::Request request = demand_.next(now);
      connections_[request.slot % connections_.size()].put(request);
    }
  }

  std::vector<NbdConnection> connections_;
  std::vector<pollfd> events_;
  Demand demand_;
};

Measurement measure(const Settings& settings, const QemuNbd& server, Client& client) {
  client.run_until(Clock::now() + kWarmUp);
  Demand& demand = client.demand();
  demand.measure();
  Measurement measurement;
  measurement.block_bytes = settings.workload.block_bytes;
  const auto begin = Clock::now();
  const uint64_t answered = demand.answered();
  const std::chrono::nanoseconds busy = server.processor_time();
  client.run_until(begin + std::chrono::duration_cast<Clock::duration>(
                               std::chrono::duration<double>(settings.seconds)));
  measurement.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  measurement.requests = demand.answered() - answered;
  measurement.processor_seconds =
      std::chrono::duration<double>(server.processor_time() - busy).count();
  return measurement;
}

Measurement run(const Settings& settings) {
  QemuNbd server(settings.server);
  Client client(server, settings.workload);
  Measurement measurement = measure(settings, server, client);
  client.end();
  server.wait_for_end();
  measurement.latencies = client.demand().latencies();
  return measurement;
}

void add_options(CLI::App& app, Settings& settings) {
  add_workload_options(app, settings.workload);
  QemuNbd::Options& server = settings.server;
  app.add_option("--image", server.image, "Path of the image")->required();
  app.add_option("--format", server.format, "Of the image, as QEMU names it")->required();
  app.add_option("--aio", server.aio, "As of qemu-nbd")
      ->default_val("io_uring")
      ->check(CLI::IsMember({"io_uring", "native", "threads"}));
  app.add_option("--connections", server.connections, "That the depth is dealt out over")
      ->check(CLI::Range(1, 16));
  app.add_option("--seconds", settings.seconds);
}

}  // namespace
}  // namespace tapring::bench

int main(int argc, char** argv) {
  tapring::bench::Settings settings;
  CLI::App app("Measures one workload on an image that qemu-nbd serves; prints JSON.");
  tapring::bench::add_options(app, settings);
  CLI11_PARSE(app, argc, argv);
  try {
    auto measurement = tapring::bench::run(settings);
    std::cout << tapring::bench::to_json(measurement) << '\n';
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return 0;
}
