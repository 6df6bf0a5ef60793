// SPDX-License-Identifier: MIT
#include "daemon/config/option_key.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>
#include <type_traits>

#include "daemon/datapath/negotiation.h"
#include "daemon/host/decimal.h"
#include "ring/blkif.h"

namespace tapring {
namespace {

constexpr const char* kBehaviour = "Behaviour";
constexpr const char* kPerformance = "Performance";
constexpr bool kLive = true;

constexpr std::array kAllKinds = {"vbd", "vbd3", "qdisk"};
constexpr uint32_t kMaxWorkers = 64;
constexpr uint32_t kMaxArenaMebibytes = 4096;
constexpr uint32_t kMaxMapCacheKibibytes = 1 << 20;
constexpr uint32_t kMaxPollMicroseconds = 1000;
constexpr uint32_t kMaxPersistentGrants = 8192;
constexpr uint32_t kMaxLockWaitSeconds = 60;
constexpr uint32_t kMaxDisks = 16384;

const OptionKey kKeys[] = {
    {"run_dir", kBehaviour, "holds the control socket and the journals",
     DirectoryKey{&Options::run_dir}},
    {"kinds", kBehaviour,
     "backend kinds to serve; qdisk only where no QEMU serves the same disks of a guest",
     KindsKey{&Options::kinds}},
    {"image_directories", kBehaviour, "images must lie under one of these; empty: anywhere",
     DirectoriesKey{&Options::image_directories}, kLive},
    {"named_files", kBehaviour,
     "files that an image may name: any, owner (what the owner of the image may open), directory, "
     "listed or none",
     NamedFilesKey{&Options::named_files}, kLive},
    {"named_file_directories", kBehaviour, "where these must lie if named_files is listed",
     DirectoriesKey{&Options::named_file_directories}, kLive},
    {"plain_lines", kBehaviour,
     "disks that xen-blkback could serve as well: take them or leave them to it",
     ChoiceKey<PlainLines>{&Options::plain_lines}, kLive},
    {"log_level", kBehaviour, "least important messages to log",
     ChoiceKey<LogLevel>{&Options::log_level}, kLive},
    {"isolation", kBehaviour,
     "disks that share a process: those of a guest, of a storage, or of the host",
     ChoiceKey<Isolation>{&Options::isolation}},
    {"sandbox", kBehaviour,
     "keep worker processes from files and system calls that disks do not take: on or off",
     ChoiceKey<WorkerSandbox>{&Options::sandbox}},
    {"lock_wait_seconds", kBehaviour, "how long to wait for another holder of an image's lock",
     NumberKey{&Options::lock_wait_seconds, 0, kMaxLockWaitSeconds}, kLive},
    {"max_disks", kBehaviour, "disks that are served at once",
     NumberKey{&Options::max_disks, 1, kMaxDisks}, kLive},
    {"core_dumps", kBehaviour, "what a core dump may hold: none, without-guest-data or full",
     ChoiceKey<CoreDumps>{&Options::core_dumps}},
    {"on_no_space", kBehaviour, "requests for which storage has no room: pause or report",
     ChoiceKey<OnError>{&Options::on_no_space}, kLive},
    {"on_io_error", kBehaviour, "requests that storage fails otherwise: pause or report",
     ChoiceKey<OnError>{&Options::on_io_error}, kLive},
    {"pause_limit_seconds", kBehaviour,
     "how long a request waits for its storage before it fails; 0: as long as it takes",
     NumberKey{&Options::pause_limit_seconds, 0, kMaxPauseLimitSeconds}, kLive},
    {"workers", kPerformance, "threads that serve rings; 0: one per online CPU, up to 4",
     NumberKey{&Options::workers, 0, kMaxWorkers}},
    {"worker_cpus", kPerformance,
     "CPUs that workers run on, as in 2,3,4-7, one entry each; empty: any",
     CpusKey{&Options::worker_cpus}},
    {"arena_mebibytes", kPerformance, "bounce memory of each worker",
     NumberKey{&Options::arena_mebibytes, 1, kMaxArenaMebibytes}},
    {"map_cache_kibibytes", kPerformance,
     "memory for the map of each qcow2 or qcow image; 0: by its size, at most 32768",
     NumberKey{&Options::map_cache_kibibytes, 0, kMaxMapCacheKibibytes}, kLive},
    {"poll_microseconds", kPerformance,
     "how long a busy worker looks for work before it sleeps; 0: not at all",
     NumberKey{&Options::poll_microseconds, 0, kMaxPollMicroseconds}},
    {"max_queues", kPerformance, "rings that a disk may have; 0: one per online CPU, up to 8",
     NumberKey{&Options::max_queues, 0, kMaxQueuesOfDisk}},
    {"max_ring_page_order", kPerformance, "a ring may have 2^this pages",
     NumberKey{&Options::max_ring_page_order, 0, kMaxRingOrder}},
    {"max_indirect_segments", kPerformance,
     "pages that a request may have; 0: no indirect requests, so 11 pages",
     NumberKey{&Options::max_indirect_segments, 0, kIndirectSegments}},
    {"max_persistent_grants", kPerformance,
     "pages of a guest that each ring may keep mapped; 0: no persistent grants",
     NumberKey{&Options::max_persistent_grants, 0, kMaxPersistentGrants}},
};

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    parts.emplace_back(text.substr(0, comma));
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
  }
  return parts;
}

// "a/../b/" and "b" are one directory: images are compared with these by their paths.
std::optional<std::filesystem::path> absolute_path(std::string_view text) {
  std::filesystem::path path = std::filesystem::path(text).lexically_normal();
  if (!path.is_absolute() || text.find('\0') != std::string::npos) return std::nullopt;
  if (!path.has_filename() && path != path.root_path()) path = path.parent_path();
  return path;
}

std::string expectation_of(const NumberKey& key) {
  return fmt::format("a whole number from {} to {}", key.minimum, key.maximum);
}
std::string expectation_of(const DirectoryKey&) {
  return "an absolute path";
}
std::string expectation_of(const DirectoriesKey&) {
  return "a list of absolute paths";
}
std::string expectation_of(const KindsKey&) {
  return fmt::format("a list of at least one of {}, none twice", fmt::join(kAllKinds, ", "));
}
std::string expectation_of(const CpusKey&) {
  return fmt::format("a list of texts like 3 or 4-7, with numbers below {}", CpuRange::kLimit);
}
std::string expectation_of(const NamedFilesKey&) {
  return fmt::format("one of {}", fmt::join(named_files_names(), ", "));
}

template <typename Enum>
std::string expectation_of(const ChoiceKey<Enum>&) {
  return fmt::format("one of {}", fmt::join(kNames<Enum>, ", "));
}

bool assign_to(Options& options, const NumberKey& key, const OptionValue& value) {
  const auto* number = std::get_if<int64_t>(&value);
  if (number == nullptr || *number < key.minimum || *number > key.maximum) return false;
  options.*key.field = static_cast<uint32_t>(*number);
  return true;
}

bool assign_to(Options& options, const DirectoryKey& key, const OptionValue& value) {
  const auto* text = std::get_if<std::string>(&value);
  const auto path = text == nullptr ? std::nullopt : absolute_path(*text);
  if (path) options.*key.field = *path;
  return path.has_value();
}

/// All of a list of texts, or nothing if one of them is wrong.
template <typename Item, std::optional<Item> parse(std::string_view)>
bool assign_each(std::vector<Item>& items, const OptionValue& value) {
  const auto* texts = std::get_if<std::vector<std::string>>(&value);
  if (texts == nullptr) return false;
  std::vector<Item> parsed;
  for (const std::string& text : *texts) {
    auto item = parse(text);
    if (!item) return false;
    parsed.push_back(*std::move(item));
  }
  items = std::move(parsed);
  return true;
}

bool assign_to(Options& options, const DirectoriesKey& key, const OptionValue& value) {
  return assign_each<std::filesystem::path, absolute_path>(options.*key.field, value);
}

bool assign_to(Options& options, const KindsKey& key, const OptionValue& value) {
  const auto* kinds = std::get_if<std::vector<std::string>>(&value);
  if (kinds == nullptr || kinds->empty()) return false;
  for (auto kind = kinds->begin(); kind != kinds->end(); ++kind) {
    if (std::ranges::find(kAllKinds, *kind) == kAllKinds.end()) return false;
    if (std::find(kinds->begin(), kind, *kind) != kind) return false;
  }
  options.*key.field = *kinds;
  return true;
}

bool assign_to(Options& options, const CpusKey& key, const OptionValue& value) {
  return assign_each<CpuRange, parse_cpu_range>(options.*key.field, value);
}

bool assign_to(Options& options, const NamedFilesKey& key, const OptionValue& value) {
  const auto* name = std::get_if<std::string>(&value);
  const auto choice = name == nullptr ? std::nullopt : parse_named_files(*name);
  if (choice) options.*key.field = *choice;
  return choice.has_value();
}

template <typename Enum>
bool assign_to(Options& options, const ChoiceKey<Enum>& key, const OptionValue& value) {
  const auto* name = std::get_if<std::string>(&value);
  const auto choice = name == nullptr ? std::nullopt : parse_name<Enum>(*name);
  if (choice) options.*key.field = *choice;
  return choice.has_value();
}

OptionValue value_of(const Options& options, const NumberKey& key) {
  return int64_t{options.*key.field};
}
OptionValue value_of(const Options& options, const DirectoryKey& key) {
  return (options.*key.field).string();
}
OptionValue value_of(const Options& options, const DirectoriesKey& key) {
  std::vector<std::string> texts;
  for (const auto& path : options.*key.field) texts.push_back(path.string());
  return texts;
}
OptionValue value_of(const Options& options, const KindsKey& key) {
  return options.*key.field;
}
OptionValue value_of(const Options& options, const CpusKey& key) {
  std::vector<std::string> texts;
  for (const CpuRange& range : options.*key.field) texts.push_back(to_string(range));
  return texts;
}
OptionValue value_of(const Options& options, const NamedFilesKey& key) {
  return std::string(named_files_name(options.*key.field));
}

template <typename Enum>
OptionValue value_of(const Options& options, const ChoiceKey<Enum>& key) {
  return std::string(name_of(options.*key.field));
}

}  // namespace

std::string OptionKey::flag() const {
  return "--" + dashed(name);
}

std::string OptionKey::expected() const {
  return std::visit([](const auto& key) { return expectation_of(key); }, field);
}

bool OptionKey::assign(Options& options, const OptionValue& value) const {
  return std::visit([&](const auto& key) { return assign_to(options, key, value); }, field);
}

OptionValue OptionKey::value(const Options& options) const {
  return std::visit([&](const auto& key) { return value_of(options, key); }, field);
}

OptionValue OptionKey::from_argument(std::string_view text) const {
  if (std::holds_alternative<KindsKey>(field) || std::holds_alternative<DirectoriesKey>(field) ||
      std::holds_alternative<CpusKey>(field)) {
    return split(text);
  }
  const auto number = parse_decimal<int64_t>(text);
  if (std::holds_alternative<NumberKey>(field) && number) return *number;
  return std::string(text);
}

std::vector<std::string> take_live(Options& running, const Options& wanted) {
  std::vector<std::string> others;
  for (const OptionKey& key : kKeys) {
    const OptionValue value = key.value(wanted);
    if (value == key.value(running)) continue;
    if (key.live) {
      key.assign(running, value);
    } else {
      others.emplace_back(key.name);
    }
  }
  return others;
}

std::span<const OptionKey> option_keys() noexcept {
  return kKeys;
}

}  // namespace tapring
