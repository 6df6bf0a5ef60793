// SPDX-License-Identifier: MIT
// image_cut_explore: random workloads on images of all shapes, each cut at many points, as many as
// asked for. What fails is printed with the command that repeats it; figures at the end.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <map>
#include <stdexcept>
#include <string>

#include "tests/daemon/temporary_directory.h"
#include "tests/formats/cut_images.h"
#include "tests/formats/cut_workload.h"
#include "tests/formats/qcow_image.h"
#include "tests/formats/qemu.h"

namespace tapring {
namespace {

constexpr unsigned kShapes = 39;

struct Options {
  std::string format = "qcow2";
  uint64_t workloads = 2000;
  uint64_t points = 10;
  uint64_t first = 1;
  uint64_t by_qemu = 10;
};

struct Figures {
  uint64_t workloads = 0;
  uint64_t power_cuts = 0;
  uint64_t kills = 0;
  uint64_t with_leaks = 0;
  uint64_t compared_by_qemu = 0;
  uint64_t failed = 0;
};

class Explorer {
 public:
  explicit Explorer(const Options& options) : options_(options) {}

  void run_workload(uint64_t seed) {
    const CutImage& image = image_of(static_cast<unsigned>(seed % kShapes));
    ++figures_.workloads;
    for (uint64_t point = 0; point < options_.points; ++point) {
      const std::string reason = reason_of(image, seed, point);
      if (reason.empty()) continue;
      ++figures_.failed;
      fmt::print("workload {} point {} FAILED: {}: {}\n  image_cut_explore --format {} --first {} "
                 "--workloads 1 --points {}\n",
                 seed, point, image.text(), reason, options_.format, seed, point + 1);
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

  /// Every third cut is of the process.
  std::string reason_of(const CutImage& image, uint64_t seed, uint64_t point) {
    const Cut cut = point % 3 == 2 ? Cut::process : Cut::power;
    ++(cut == Cut::power ? figures_.power_cuts : figures_.kills);
    image.restore();
    Workload workload{options_.format, {}, seed};
    workload.options.path = image.path();
    workload.options.backing_formats = image.backing_formats();
    try {
      const Promises promises =
          run_until_cut(workload, image.content(), cut, seed * options_.points + point);
      return judge(workload, promises);
    } catch (const std::exception& error) {
      return error.what();
    }
  }

  std::string judge(const Workload& workload, const Promises& promises) {
    const std::string& path = workload.options.path;
    const bool is_qcow2 = options_.format == "qcow2";
    if (is_qcow2 && !complaints_of_qemu(path).empty()) {
      ++figures_.with_leaks;
      if (std::string damage = damage_by_qemu(path); !damage.empty()) return damage;
    }
    if (std::string damage = is_qcow2 ? "" : damage_of_qcow(path); !damage.empty()) return damage;
    const Result<std::string> content = content_by_driver(workload);
    if (!content) return content.error().message();
    if (++judged_ % options_.by_qemu == 0) {
      ++figures_.compared_by_qemu;
      if (content_by_qemu(path, "", options_.format) != *content) return "QEMU reads otherwise";
    }
    return promises.broken_by(*content);
  }

  Options options_;
  TemporaryDirectory directory_{memory_directory()};
  std::map<unsigned, CutImage> images_;
  Figures figures_;
  uint64_t judged_ = 0;
};

int explore(const Options& options) {
  Explorer explorer(options);
  for (uint64_t seed = options.first; seed < options.first + options.workloads; ++seed) {
    explorer.run_workload(seed);
  }
  const Figures& figures = explorer.figures();
  fmt::print("{}: {} workloads, {} power cuts, {} kills, of these {} left leaked clusters; {} also "
             "read by QEMU; {} failed\n",
             options.format, figures.workloads, figures.power_cuts, figures.kills,
             figures.with_leaks, figures.compared_by_qemu, figures.failed);
  return figures.failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace tapring

int main(int argc, char** argv) {
  tapring::Options options;
  CLI::App app("Power cuts and kills of random workloads on images, in the simulated world.");
  app.add_option("--format", options.format, "of the images")
      ->check(CLI::IsMember({"qcow2", "qcow"}))
      ->capture_default_str();
  app.add_option("--workloads", options.workloads, "run so many")->capture_default_str();
  app.add_option("--points", options.points, "cut each so often")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--first", options.first, "the first one's seed")->capture_default_str();
  app.add_option("--by-qemu", options.by_qemu, "of so many images QEMU reads one as well")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  return tapring::explore(options);
}
