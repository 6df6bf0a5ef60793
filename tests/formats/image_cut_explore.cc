// SPDX-License-Identifier: MIT
// image_cut_explore: lives of images of all shapes, used at random, on storage that fails now and
// then, and cut at many points, as many as asked for. What fails is printed with the command that
// repeats it; figures at the end.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/daemon/temporary_directory.h"
#include "tests/formats/cut_images.h"
#include "tests/formats/image_life.h"
#include "tests/formats/qemu.h"

namespace tapring {
namespace {

constexpr unsigned kShapes = 39;

struct Options {
  std::string format = "qcow2";
  uint64_t workloads = 2000;
  uint64_t points = 3;
  uint64_t first = 1;
  uint64_t by_qemu = 10;
  double faults = 0;  ///< percent
  uint64_t requests = 80;
  bool bounded = false;
};

struct Figures {
  uint64_t workloads = 0;
  uint64_t power_cuts = 0;
  uint64_t kills = 0;
  uint64_t closed = 0;
  uint64_t with_leaks = 0;
  uint64_t faults = 0;
  uint64_t requests_failed = 0;
  uint64_t openings_failed = 0;
  uint64_t losses = 0;
  uint64_t most_close_operations = 0;
  uint64_t most_growth = 0;
  uint64_t compared_by_qemu = 0;
  uint64_t failed = 0;
};

/// The first by the point, so that of three points in a row each ends in its own way.
std::vector<End> draw_ends(uint64_t point, sim::Random& random) {
  constexpr std::array<End, 3> kEnds{End::power, End::close, End::kill};
  std::vector<End> ends{kEnds[point % kEnds.size()]};
  for (uint64_t more = random.below(3); more > 0; --more) {
    ends.push_back(kEnds[random.below(kEnds.size())]);
  }
  return ends;
}

/// The command that repeats it.
std::string command_of(const Options& options, uint64_t seed, uint64_t point) {
  return fmt::format(
      "image_cut_explore --format {} --faults {} --requests {}{} --first {} --workloads 1 "
      "--points {} --by-qemu 1",
      options.format, options.faults, options.requests, options.bounded ? " --bounded" : "", seed,
      point + 1);
}

/// What is under way, for when an assertion ends the process.
std::string under_way;

void tell_what_was_under_way(int /*signal*/) {
  const ssize_t written = ::write(STDERR_FILENO, under_way.data(), under_way.size());
  ::_exit(written < 0 ? 2 : 1);
}

class Explorer {
 public:
  explicit Explorer(const Options& options) : options_(options) {}

  void run_workload(uint64_t seed) {
    const CutImage& image = image_of(static_cast<unsigned>(seed % kShapes));
    ++figures_.workloads;
    for (uint64_t point = 0; point < options_.points; ++point) {
      under_way = "aborted: " + command_of(options_, seed, point) + '\n';
      const std::string reason = reason_of(image, seed, point);
      if (reason.empty()) continue;
      ++figures_.failed;
      fmt::print("workload {} point {} FAILED: {}: {}\n  {}\n", seed, point, image.text(), reason,
                 command_of(options_, seed, point));
      std::fflush(stdout);
    }
  }

  const Figures& figures() const noexcept { return figures_; }

 private:
  const CutImage& image_of(unsigned shape) {
    const auto found = images_.find(shape);
    if (found != images_.end()) return found->second;
    sim::Random random(shape + 1);
    const auto directory = directory_.path() / std::to_string(shape);
    return images_.try_emplace(shape, directory, options_.format, shape, random).first->second;
  }

  std::string reason_of(const CutImage& image, uint64_t seed, uint64_t point) {
    image.restore();
    LifePlan plan;
    plan.format = options_.format;
    plan.options.path = image.path();
    plan.options.backing_formats = image.backing_formats();
    plan.seed = seed;
    plan.end_seed = seed * 1000 + point;
    sim::Random random(~plan.end_seed);
    plan.ends = draw_ends(point, random);
    plan.faults = options_.faults / 100;
    plan.most_requests = options_.requests;
    plan.bounded = options_.bounded;
    const bool by_qemu = ++runs_ % options_.by_qemu == 0;
    plan.judge = [&image, by_qemu] {
      return by_qemu ? damage_found_by_qemu(image) + image.spoiled() : image.spoiled();
    };
    try {
      const LifeFigures figures = live(plan, image.content());
      count(plan, figures);
      if (!by_qemu) return {};
      ++figures_.compared_by_qemu;
      const bool same = content_by_qemu(image.path(), "", options_.format) == figures.content;
      return same ? "" : "QEMU reads otherwise";
    } catch (const std::exception& error) {
      return error.what();
    }
  }

  static std::string damage_found_by_qemu(const CutImage& image) {
    if (image.format() != "qcow2") return {};
    const std::string damage = damage_by_qemu(image.path());
    return damage.empty() ? "" : "by QEMU: " + damage;
  }

  void count(const LifePlan& plan, const LifeFigures& figures) {
    for (const End end : plan.ends) {
      ++(end == End::power  ? figures_.power_cuts
         : end == End::kill ? figures_.kills
                            : figures_.closed);
    }
    if (figures.leaks > 0) ++figures_.with_leaks;
    figures_.faults += figures.faults;
    figures_.requests_failed += figures.requests_failed;
    figures_.openings_failed += figures.openings_failed;
    figures_.losses += figures.losses;
    figures_.most_close_operations =
        std::max(figures_.most_close_operations, figures.close_operations);
    figures_.most_growth = std::max(figures_.most_growth, figures.growth);
  }

  Options options_;
  TemporaryDirectory directory_{memory_directory()};
  std::map<unsigned, CutImage> images_;
  Figures figures_;
  uint64_t runs_ = 0;
};

int explore(const Options& options) {
  std::signal(SIGABRT, tell_what_was_under_way);
  std::signal(SIGSEGV, tell_what_was_under_way);
  Explorer explorer(options);
  for (uint64_t seed = options.first; seed < options.first + options.workloads; ++seed) {
    explorer.run_workload(seed);
  }
  const Figures& figures = explorer.figures();
  fmt::print(
      "{}: {} workloads, {} power cuts, {} kills, {} closed in order; {} left leaked "
      "clusters\n  {} faults: {} requests and {} openings failed, {} times writes were "
      "lost\n  a close took {} operations at most, a file grew by {} bytes more than its "
      "disk and tables take\n  {} also read by QEMU; {} failed\n",
      options.format, figures.workloads, figures.power_cuts, figures.kills, figures.closed,
      figures.with_leaks, figures.faults, figures.requests_failed, figures.openings_failed,
      figures.losses, figures.most_close_operations, figures.most_growth, figures.compared_by_qemu,
      figures.failed);
  return figures.failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace tapring

int main(int argc, char** argv) {
  tapring::Options options;
  CLI::App app("Power cuts, kills and faults of images in use, in the simulated world.");
  app.add_option("--format", options.format, "of the images")
      ->check(CLI::IsMember({"qcow2", "qcow", "raw"}))
      ->capture_default_str();
  app.add_option("--workloads", options.workloads, "run so many")->capture_default_str();
  app.add_option("--points", options.points, "cut each so often")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--first", options.first, "the first one's seed")->capture_default_str();
  app.add_option("--faults", options.faults, "so many percent of the operations of files fail")
      ->check(CLI::Range(0.0, 100.0))
      ->capture_default_str();
  app.add_option("--requests", options.requests, "so many in a life, at most")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_flag("--bounded", options.bounded,
               "judge how far files grow, and how much is done to close one");
  app.add_option("--by-qemu", options.by_qemu, "of so many images QEMU reads one as well")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  return tapring::explore(options);
}
