// SPDX-License-Identifier: MIT
// What an administrator may set, and where it comes from: the defaults below, then the
// configuration file, then the command line. option_key.cc lists the same keys for all three.
#pragma once

#include <cstdint>
#include <expected>
#include <filesystem>
#include <iosfwd>
#include <span>
#include <string>
#include <vector>

#include "daemon/config/disk_spec.h"
#include "daemon/config/isolation.h"
#include "daemon/config/worker_sandbox.h"
#include "daemon/datapath/error_policy.h"
#include "daemon/host/cpu_range.h"
#include "daemon/host/log.h"
#include "daemon/host/process_limits.h"
#include "formats/file_policy.h"

namespace tapring {

/// Each field is a key of the same name in the configuration file, and a long option with dashes
/// for its underscores.
struct Options {
  // Behaviour.

  /// Holds the control socket and the journals.
  std::filesystem::path run_dir = "/run/tapring";

  /// Directories of xenstore's backend/ whose disks are served. "qdisk" is left out because a QEMU
  /// that libxl started for the guest serves the same nodes: add it only where the guests' device
  /// model is tapring's stand-in, or both would answer one ring.
  std::vector<std::string> kinds = {"vbd", "vbd3"};

  /// Images must lie under one of these, after symbolic links are resolved. Empty: anywhere.
  std::vector<std::filesystem::path> image_directories = {};

  /// Of disks that xen-blkback could serve as well, as their lines name an image and nothing else.
  PlainLines plain_lines = PlainLines::take;

  /// Which files that an image names, such as its backing file, may be opened for it.
  NamedFiles named_files = NamedFiles::owner;

  /// Those that may be where named_files is "listed".
  std::vector<std::filesystem::path> named_file_directories = {};

  LogLevel log_level = LogLevel::info;

  /// Which disks share a process.
  Isolation isolation = Isolation::host;

  /// Around each worker process, where there are any.
  WorkerSandbox sandbox = WorkerSandbox::on;

  /// Seconds that a disk waits for another holder of its image's lock, such as the QEMU of a guest
  /// that is just leaving, before the attach fails.
  uint32_t lock_wait_seconds = 5;

  /// Disks that are served at once. More are refused, or left to xen-blkback where it has them.
  uint32_t max_disks = 1024;

  /// What may be in a core dump.
  CoreDumps core_dumps = CoreDumps::without_guest_data;

  /// What becomes of requests that storage cannot do, for want of space and for any other reason.
  OnError on_no_space = ErrorPolicy{}.on_no_space;
  OnError on_io_error = ErrorPolicy{}.on_io_error;

  /// That a request waits for its storage at most; 0: for as long as it takes.
  uint32_t pause_limit_seconds = ErrorPolicy{}.pause_limit_seconds;

  // Performance.

  /// Threads that serve rings; 0: see worker_count().
  uint32_t workers = 0;

  /// The processors that workers run on, one entry each in turn; empty: any. A worker's memory is
  /// of the NUMA node of its processors.
  std::vector<CpuRange> worker_cpus = {};

  /// Bounce memory of each worker, allocated when it starts. Bounds the data that is in flight.
  uint32_t arena_mebibytes = 16;

  /// For the map of each image that has one, each backing file too; 0: as its size suggests.
  uint32_t map_cache_kibibytes = 0;

  /// Before a worker sleeps it looks for work as long as this, while that pays; 0: never.
  uint32_t poll_microseconds = 10;

  /// Rings that one disk may have; 0: see queue_limit().
  uint32_t max_queues = 0;

  /// One ring may have 2^this pages. More pages let a guest have more requests in flight.
  uint32_t max_ring_page_order = 4;

  /// Pages that one request may have; 0 offers no indirect requests, so 11 pages.
  uint32_t max_indirect_segments = 256;

  /// Pages of a guest that each of its rings may keep mapped, so that their data moves without a
  /// call to Xen; 0 offers no persistent grants. A guest that accepts them copies its data once
  /// more.
  uint32_t max_persistent_grants = 0;

  ErrorPolicy error_policy() const noexcept {
    return {on_no_space, on_io_error, pause_limit_seconds};
  }

  /// `workers`, or the number of entries of `worker_cpus`, or that of online CPUs up to 4.
  uint32_t worker_count() const;

  /// `max_queues`, or the number of online CPUs up to 8.
  uint32_t queue_limit() const;

  bool operator==(const Options&) const = default;
};

inline constexpr const char* kDefaultConfig = "/etc/tapring/tapringd.toml";

/// Where parse_options() reads and writes, other than the arguments.
struct OptionStreams {
  std::filesystem::path default_config = kDefaultConfig;  ///< may be missing
  std::ostream& out;
  std::ostream& err;
  LogReader reader = LogReader::terminal;  ///< of err
  bool checks_host = false;                ///< --check-config: also whether this host can do it
  /// Where it says what the options are taken in spite of; nullptr: there is no such thing.
  std::vector<std::string>* problems = nullptr;
};

/// Keeps the options in their run_dir. A start whose configuration is wrong goes on with them while
/// disks wait there: else their guests would hang for a misspelled key. Throws std::system_error.
void keep_for_next_start(const Options& options);

/// Where it keeps them.
std::filesystem::path file_of_last_start(const std::filesystem::path& run_dir);

/// The configuration as a file, which parse_toml() reads.
std::string to_toml(const Options& options);

/// What to_toml() wrote, of this version or another: keys that are not known are passed over.
Options parse_toml(const std::string& text);

/// The options of the daemon's command line `arguments` (without the program's name). Instead the
/// exit code if there is nothing to run: what was asked for, or what is wrong, is printed by then.
std::expected<Options, int> parse_options(std::span<const char* const> arguments,
                                          const OptionStreams& streams);

/// The same from main()'s arguments to standard output and standard error, for a start.
std::expected<Options, int> parse_options(int argc, char** argv,
                                          std::vector<std::string>& problems);

}  // namespace tapring
