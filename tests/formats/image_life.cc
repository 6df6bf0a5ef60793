// SPDX-License-Identifier: MIT
#include "tests/formats/image_life.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "ring/error.h"
#include "tests/formats/cut_images.h"
#include "tests/formats/failing_calls.h"
#include "tests/formats/image_verdict.h"
#include "tests/formats/overlapping_load.h"
#include "tests/formats/served_image.h"
#include "tests/sim/disk_model.h"
#include "tests/sim/random.h"

namespace tapring {
namespace {

using sim::FileOperation;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""us;

constexpr uint64_t kMostMicroseconds = 30'000;  ///< of a life before its cut
constexpr double kUnclean = 0.15;  ///< somebody else has had the image meanwhile, and died
constexpr uint64_t kMostCloseOperations = 400;
constexpr uint64_t kMostGrowth = uint64_t{48} << 20;
constexpr int kOpenings = 3;  ///< that may fail; the next one must not

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(what);
}

class Life {
 public:
  Life(const LifePlan& plan, const std::string& content)
      : plan_(plan),
        load_random_(plan.seed),
        random_(plan.end_seed),
        model_(content),
        first_bytes_(std::filesystem::file_size(plan.options.path)),
        disk_bytes_(content.size()),
        image_(plan.seed, plan.format, plan.options) {
    set_up_storage();
  }

  LifeFigures run() {
    for (const End end : plan_.ends) {
      model_.expect_power_off();
      live_until(end);
      open_again(end);
    }
    last_life();
    return std::move(figures_);
  }

 private:
  void set_up_storage();
  Error fault_of(const FileOperation& operation);
  void live_until(End end);
  void use(OverlappingLoad& load, End end);
  void close_in_order(bool lost);
  void judge_sound_storage(bool lost);
  void after_end(End end, bool lost);
  void open_again(End end);
  void last_life();

  Error bounded_close();
  void judge_size();
  void judge_content();
  void judge_closed();

  const LifePlan& plan_;
  sim::Random load_random_;
  sim::Random random_;
  sim::DiskModel model_;
  uint64_t first_bytes_;  ///< of the image's file
  uint64_t disk_bytes_;
  ServedImage image_;
  bool failing_ = false;      ///< files fail now
  bool sync_failed_ = false;  ///< since the image was opened
  bool sound_ = true;         ///< nothing was in the way so far
  bool frees_leaks_ = false;  ///< what was opened last does, before it is closed
  LifeFigures figures_;
};

/// Any kind of operation may be slow: a punch is then done long after the cluster was given back, a
/// read long after it was found where to read.
void Life::set_up_storage() {
  const std::filesystem::path directory = std::filesystem::path(plan_.options.path).parent_path();
  using Kind = FileOperation::Kind;
  std::map<Kind, sim::Latency> latencies;
  for (const Kind kind : {Kind::read, Kind::write, Kind::sync, Kind::discard}) {
    if (load_random_.chance(0.25)) latencies[kind] = {50us, load_random_.between(1, 30) * 1ms};
  }
  const double short_transfers = load_random_.chance(0.2) ? 0.2 : 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (!entry.is_regular_file()) continue;
    sim::FileBehaviour& behaviour = image_.storage().behaviour(entry.path());
    behaviour.latencies = latencies;
    behaviour.short_probability = short_transfers;
    behaviour.fault = [this](const FileOperation& operation) { return fault_of(operation); };
    image_.storage().make_losable(entry.path());
  }
}

Error Life::fault_of(const FileOperation& operation) {
  if (!failing_ || !random_.chance(plan_.faults)) return {};
  ++figures_.faults;
  sound_ = false;
  if (operation.kind == FileOperation::Kind::sync) sync_failed_ = true;
  const bool reads = operation.kind == FileOperation::Kind::read;
  return system_error_code(reads || random_.chance(0.5) ? EIO : ENOSPC);
}

void Life::live_until(End end) {
  const OverlappingLoad::Options options{
      .requests = load_random_.between(1, plan_.most_requests),
      .depth = static_cast<unsigned>(load_random_.between(1, 12)),
      .may_fail = plan_.faults > 0};
  OverlappingLoad load(image_, model_, load_random_, options);
  failing_ = plan_.faults > 0;
  load.begin();
  use(load, end);
  figures_.requests_failed += load.failed();
  if (!load.wrong().empty()) fail(load.wrong());
  if (load.lost()) ++figures_.losses;
  if (load.lost() && !sync_failed_ && end == End::close) {
    fail("a flush said that writes were lost, and no sync had failed");
  }
  if (end == End::close) {
    close_in_order(load.lost());
  } else {
    image_.close();
  }
  after_end(end, load.lost());
}

/// To its end, or until the cut.
void Life::use(OverlappingLoad& load, End end) {
  if (end != End::close) {
    sound_ = false;
    frees_leaks_ = false;
    image_.world().run_for(std::chrono::microseconds(random_.below(kMostMicroseconds)));
    if (end == End::power) image_.storage().power_off();
    if (end == End::kill) image_.die();
    load.stop();
  }
  if (!image_.world().run_until([&load] { return load.idle(); })) fail("the image hangs");
}

/// While storage still fails, or after it works again.
void Life::close_in_order(bool lost) {
  if (random_.chance(0.5)) {
    failing_ = false;
    judge_sound_storage(lost);
  }
  const Error error = bounded_close();
  if (!error && lost) fail("closed as if nothing was lost");
  if (error && !failing_ && !sync_failed_) fail("close: " + error.message());
}

void Life::judge_sound_storage(bool lost) {
  judge_content();
  const sim::DiskModel::Ticket flush = model_.begin_flush();
  const Error error = image_.flush();
  model_.end_flush(flush, !error);
  if (!error && lost) fail("a flush is good again, though writes were lost");
  if (error && !sync_failed_) fail("a flush failed on sound storage: " + error.message());
  if (error && error != std::errc::state_not_recoverable) {
    fail("a flush after a failed sync does not say that writes are lost: " + error.message());
  }
}

/// Writes are in the storage's cache when the process is gone, but for what a failed sync gave up.
void Life::after_end(End end, bool lost) {
  failing_ = false;
  if (!image_.world().run_until_idle()) fail("the world does not come to rest");
  if (end == End::power) image_.storage().power_on();
  image_.storage().drop_given_up();
  if (end == End::power || lost || sync_failed_) {
    model_.power_off();
  } else {
    model_.settle();
  }
  sync_failed_ = false;
  judge_closed();
}

/// Whoever takes up what a killed process had frees what that leaked, until it is closed in order.
void Life::open_again(End end) {
  ImageOptions options = plan_.options;
  options.after_kill = end == End::kill;
  frees_leaks_ = options.after_kill && plan_.faults == 0;
  if (plan_.format == "qcow2" && random_.chance(kUnclean)) {
    mark_unclean(plan_.options.path);
    // All of it is durable once the image was repaired, which the simulated storage does not see.
    image_.storage().make_losable(plan_.options.path);
  }
  for (int i = 0; plan_.faults > 0 && i < kOpenings; ++i) {
    try {
      const FailingCalls calls(plan_.faults, random_);
      image_.open_again(options);
      return;
    } catch (const std::system_error&) {
      ++figures_.openings_failed;
    }
    judge_closed();
  }
  image_.open_again(options);
}

/// On sound storage nothing fails, and everything promised is there.
void Life::last_life() {
  judge_content();
  OverlappingLoad load(image_, model_, load_random_,
                       {.requests = 12, .depth = 4, .may_fail = false});
  load.begin();
  if (!image_.world().run_until([&load] { return load.idle(); })) fail("the image hangs");
  if (!load.wrong().empty()) fail("at the end, " + load.wrong());
  if (const Error error = image_.flush()) fail("at the end, a flush: " + error.message());
  if (const Error error = bounded_close()) fail("at the end, close: " + error.message());
  model_.settle();
  judge_closed();
  image_.open_again(plan_.options);
  judge_content();
  if (const Error error = image_.close()) fail("closed again: " + error.message());
}

/// What waits when it is closed is as bounded as what a flush has to do.
Error Life::bounded_close() {
  const uint64_t before = image_.storage().operations();
  const Error error = image_.close();
  const uint64_t operations = image_.storage().operations() - before;
  figures_.close_operations = std::max(figures_.close_operations, operations);
  if (plan_.bounded && operations > kMostCloseOperations) {
    fail("close took " + std::to_string(operations) + " operations");
  }
  return error;
}

/// Without faults and cuts, which leave leaked clusters, its file has room for what it had, all of
/// the disk once more, tables for that, and what may wait to be released.
void Life::judge_size() {
  const uint64_t bytes = std::filesystem::file_size(plan_.options.path);
  const uint64_t had = first_bytes_ + disk_bytes_ + disk_bytes_ / 4;
  const uint64_t growth = bytes > had ? bytes - had : 0;
  figures_.growth = std::max(figures_.growth, growth);
  if (plan_.bounded && sound_ && growth > kMostGrowth) {
    fail("the file has grown to " + std::to_string(bytes) + " bytes");
  }
}

void Life::judge_content() {
  const sim::DiskModel::Ticket read = model_.begin_read();
  Result<std::string> content = image_.content();
  if (!content) fail("a read failed on sound storage: " + content.error().message());
  if (const auto wrong = model_.end_read(read, 0, std::as_bytes(std::span(*content)))) fail(*wrong);
  figures_.content = std::move(*content);
}

void Life::judge_closed() {
  const Verdict verdict = verdict_on(plan_.options.path, plan_.format);
  if (!verdict.damage.empty()) fail(verdict.damage);
  if (verdict.leaks > 0 && sound_) fail("leaked clusters, though nothing was in the way");
  if (verdict.leaks > 0 && frees_leaks_) fail("clusters that a kill leaked are not freed");
  figures_.leaks = verdict.leaks;
  judge_size();
  if (!plan_.judge) return;
  if (const std::string wrong = plan_.judge(); !wrong.empty()) fail(wrong);
}

}  // namespace

LifeFigures live(const LifePlan& plan, const std::string& content) {
  return Life(plan, content).run();
}

}  // namespace tapring
