// SPDX-License-Identifier: MIT
// pretend_guest: the toolstack and the guests of a pretend Xen. Each command prints what happens as
// JSON, an object a line, and fails with one line that says why.
#include <CLI/CLI.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/json.hpp>
#include <cstdlib>
#include <exception>
#include <functional>
#include <iostream>
#include <optional>
#include <string>

#include "tests/pretend/bench_command.h"
#include "tests/pretend/cycles.h"
#include "tests/pretend/dead_processes.h"
#include "tests/pretend/hostile.h"
#include "tests/pretend/load.h"
#include "tests/pretend/toolstack.h"

namespace tapring::pretend {
namespace {

using namespace std::chrono_literals;

constexpr auto kReportInterval = 50ms;

struct Arguments {
  std::string machine;
  sim::DiskLine line;
  std::optional<DomainId> target;
  GuestDiskOptions disk;
  LoadOptions load;
  BenchCommand bench;
  std::string attack;
  uint64_t pause_at = 0;
  uint64_t cycles = 1;
};

void report(const boost::json::object& what) {
  std::cout << what << std::endl;
}

boost::json::object figures_of(const char* event, const Load& load) {
  return {{"event", event}, {"answered", load.answered()}, {"failed", load.failed()}};
}

/// What must be empty for a run to have been good.
int verdict(const Load& load, const std::vector<std::string>& violations) {
  boost::json::object end = figures_of("end", load);
  end["mismatches"] = boost::json::value_from(load.mismatches());
  end["violations"] = boost::json::value_from(violations);
  report(end);
  const bool good = load.failed() == 0 && load.mismatches().empty() && violations.empty();
  return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

int create_machine(const Arguments& arguments) {
  Machine::create(arguments.machine);
  return EXIT_SUCCESS;
}

int show_status(const Arguments& arguments) {
  Machine machine(arguments.machine);
  const Machine::Lock lock(machine);
  release_of_dead(machine);
  const auto total = [&machine](std::atomic<uint64_t> Counters::*figure) {
    uint64_t sum = 0;
    for (DomainEntry& domain : machine.control().domains) sum += domain.counters.*figure;
    return sum;
  };
  const auto mappings =
      std::span(machine.control().mappings).first(machine.control().mappings_used);
  std::size_t ports = 0;
  for (const PortEntry& port : machine.domain(0).ports) {
    if (port.state != PortState::free) ++ports;
  }
  report({{"mapped", std::ranges::count(mappings, true, &Mapping::used)},
          {"ports", ports},
          {"maps", total(&Counters::maps)},
          {"mapped_pages", total(&Counters::mapped_pages)},
          {"unmapped_pages", total(&Counters::unmapped_pages)},
          {"copies", total(&Counters::copies)},
          {"copied_segments", total(&Counters::copied_segments)},
          {"failed_segments", total(&Counters::failed_segments)},
          {"binds", total(&Counters::binds)},
          {"unbinds", total(&Counters::unbinds)},
          {"notifications", total(&Counters::notifications)},
          {"events", total(&Counters::events)}});
  return EXIT_SUCCESS;
}

/// A command of the toolstack.
template <typename Work>
int with_toolstack(const Arguments& arguments, Work work) {
  Machine machine(arguments.machine);
  GuestWorld world(machine, 0);
  Toolstack toolstack(world);
  work(toolstack);
  return EXIT_SUCCESS;
}

/// Reports while the world runs, so that others see the disk serve.
class Reports {
 public:
  Reports(GuestWorld& world, const Load& load) : timer_(world.context()), load_(load) { again(); }

 private:
  void again() {
    timer_.expires_after(kReportInterval);
    timer_.async_wait([this](const boost::system::error_code& error) {
      if (error) return;
      report(figures_of("progress", load_));
      again();
    });
  }

  boost::asio::steady_timer timer_;
  const Load& load_;
};

/// A guest with one disk, which is connected and says so.
class Guest {
 public:
  explicit Guest(const Arguments& arguments)
      : machine_(arguments.machine), world_(machine_, arguments.line.name.domain),
        load_(arguments.load), disk_(world_, arguments.line.name, arguments.disk, load_) {
    disk_.connect();
    report({{"event", "connected"},
            {"sectors", disk_.sectors()},
            {"queues", disk_.queues().size()}});
  }

  GuestWorld& world() noexcept { return world_; }
  GuestDisk& disk() noexcept { return disk_; }
  Load& load() noexcept { return load_; }

  /// Till as many are answered as the load was told, or the guest to stop.
  void run_requests() {
    load_.start(disk_);
    world_.wait_for(
        "the end of the load",
        [&] {
          if (world_.told_to_stop()) load_.stop();
          return load_.done();
        },
        600s);
  }

  int close() {
    disk_.close();
    return verdict(load_, disk_.violations());
  }

 private:
  Machine machine_;
  GuestWorld world_;
  Load load_;
  GuestDisk disk_;
};

int run_load(const Arguments& arguments) {
  Guest guest(arguments);
  const Reports reports(guest.world(), guest.load());
  if (arguments.pause_at != 0) {
    guest.load().set_requests(arguments.pause_at);
    guest.run_requests();
    report(figures_of("pause", guest.load()));
    guest.world().wait_for(
        "the end of the pause", [&] { return guest.world().told_to_stop(); }, 600s);
    guest.world().forget_stop();
    guest.load().set_requests(arguments.load.requests);
  }
  guest.run_requests();
  return guest.close();
}

/// Connected, but without requests until it is told to stop.
int run_connect(const Arguments& arguments) {
  Guest guest(arguments);
  guest.world().wait_for(
      "the end",
      [&] { return guest.world().told_to_stop() || guest.disk().is_to_close(); }, 600s);
  return guest.close();
}

int run_hostile(const Arguments& arguments) {
  Machine machine(arguments.machine);
  GuestWorld world(machine, arguments.line.name.domain);
  Hostile hostile(world, arguments.line.name, arguments.disk, arguments.load.seed);
  for (const Hostile::Attack& attack : Hostile::attacks()) {
    if (!arguments.attack.empty() && arguments.attack != attack.name) continue;
    report({{"event", "attack"}, {"name", attack.name}});
    hostile.run(attack);
  }
  report({{"event", "end"}});
  return EXIT_SUCCESS;
}

int run_all_cycles(const Arguments& arguments) {
  Machine machine(arguments.machine);
  GuestWorld world(machine, arguments.line.name.domain);
  Load load(arguments.load);
  run_cycles(world, arguments.line, arguments.disk, arguments.cycles, load);
  return verdict(load, {});
}

class CommandLine {
 public:
  CommandLine() {
    app_.require_subcommand(1);
    app_.add_option("--machine", arguments_.machine, "The machine's directory")
        ->envname(kMachineVariable)
        ->required();
  }

  int run(int argc, char** argv) {
    add_toolstack();
    add_guests();
    CLI11_PARSE(app_, argc, argv);
    arguments_.line.vdev =
        "xvd" + std::string(1, static_cast<char>('a' + arguments_.line.name.device / 16 % 16));
    return run_();
  }

 private:
  CLI::App* add(const char* name, const char* what, std::function<int()> work) {
    CLI::App* command = app_.add_subcommand(name, what);
    command->callback([this, work = std::move(work)] { run_ = work; });
    return command;
  }

  void add_domain(CLI::App* command) {
    command->add_option("--domain", arguments_.line.name.domain, "The guest")->required();
  }

  void add_disk(CLI::App* command) {
    add_domain(command);
    command->add_option("--device", arguments_.line.name.device, "51712 is xvda");
    command->add_option("--kind", arguments_.line.kind, "Of backend");
  }

  void add_line(CLI::App* command) {
    add_disk(command);
    command->add_option("--params", arguments_.line.params, "FORMAT:/path, or a path");
    command->add_option("--mode", arguments_.line.mode, "w or r");
    command->add_option("--script", arguments_.line.script, "The hotplug script");
  }

  void add_frontend(CLI::App* command) {
    GuestDiskOptions& disk = arguments_.disk;
    command->add_option("--protocol", disk.protocol);
    command->add_option("--queues", disk.queues, "At most");
    command->add_option("--ring-order", disk.ring_order, "At most");
    command->add_option("--depth", disk.depth, "Requests of a queue at a time");
    command->add_option("--segments", disk.segments, "Pages of a request, at most");
    command->add_option("--seed", arguments_.load.seed);
  }

  void add_load(CLI::App* command) {
    add_frontend(command);
    LoadOptions& load = arguments_.load;
    command->add_option("--requests", load.requests, "0: until SIGTERM");
    command->add_option("--writes", load.writes, "Share of the requests, 0 to 1");
    command->add_option("--flushes", load.flushes, "Share of the requests, 0 to 1");
    command->add_option("--barriers", load.barriers, "Share of the requests, 0 to 1");
    command->add_option("--region", load.region_sectors, "Sectors that are used");
  }

  template <typename Work>
  std::function<int()> by_toolstack(Work work) {
    return [this, work] { return with_toolstack(arguments_, work); };
  }

  void add_toolstack() {
    const sim::DiskLine& line = arguments_.line;
    add("create", "Make the machine, in an empty directory",
        [this] { return create_machine(arguments_); });
    add("status", "What Xen knows", [this] { return show_status(arguments_); });
    add("start", "Write what domain 0 has in xenstore",
        by_toolstack([](Toolstack& toolstack) { toolstack.start_domain_0(); }));
    CLI::App* create = add("create-domain", "Build a guest", by_toolstack([this](Toolstack& tools) {
                             tools.create_domain(arguments_.line.name.domain, arguments_.target);
                           }));
    add_domain(create);
    create->add_option("--target", arguments_.target, "The guest whose stub domain it is");
    add_domain(add("destroy-domain", "End a guest", by_toolstack([&line](Toolstack& toolstack) {
                     toolstack.destroy_domain(line.name.domain);
                   })));
    add_line(add("attach", "Give a guest a disk",
                 by_toolstack([&line](Toolstack& toolstack) { toolstack.attach(line); })));
    add_disk(add("detach", "Take it back, when guest and backend agree",
                 by_toolstack([&line](Toolstack& toolstack) {
                   toolstack.begin_detach(line);
                   toolstack.finish_detach(line);
                 })));
    add_disk(add("remove", "Take its directories away",
                 by_toolstack([&line](Toolstack& toolstack) { toolstack.remove(line); })));
  }

  void add_guests() {
    CLI::App* connect =
        add("connect", "Be connected until SIGTERM", [this] { return run_connect(arguments_); });
    add_disk(connect);
    add_frontend(connect);
    CLI::App* load = add("load", "Connect, use the disk, check what it holds, close it",
                         [this] { return run_load(arguments_); });
    add_disk(load);
    add_load(load);
    load->add_option("--pause-at", arguments_.pause_at, "Requests; goes on at SIGTERM");
    CLI::App* hostile = add("hostile", "Do everything that no guest should",
                            [this] { return run_hostile(arguments_); });
    add_disk(hostile);
    add_frontend(hostile);
    hostile->add_option("--attack", arguments_.attack, "Only this one");
    CLI::App* cycles = add("cycles", "Attach, use and detach again and again",
                           [this] { return run_all_cycles(arguments_); });
    add_line(cycles);
    add_load(cycles);
    cycles->add_option("--cycles", arguments_.cycles);
    CLI::App* bench = add("bench", "Attach disks, keep them busy, measure that", [this] {
      return arguments_.bench.run(arguments_.machine, arguments_.line.name.domain);
    });
    add_domain(bench);
    arguments_.bench.add_to(*bench);
  }

  CLI::App app_{"The toolstack and the guests of a pretend Xen"};
  Arguments arguments_;
  std::function<int()> run_;
};

}  // namespace
}  // namespace tapring::pretend

int main(int argc, char** argv) {
  try {
    return tapring::pretend::CommandLine().run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "pretend_guest: " << error.what() << '\n';
    return EXIT_FAILURE;
  }
}
