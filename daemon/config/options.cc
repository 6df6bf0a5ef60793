// SPDX-License-Identifier: MIT
#include "daemon/config/options.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ostream.h>
#include <fmt/ranges.h>
#include <toml++/toml.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <iostream>
#include <optional>
#include <sstream>
#include <system_error>
#include <thread>

#include "daemon/config/option_key.h"
#include "daemon/host/build_facts.h"
#include "formats/printable.h"
#include "ring/error.h"
#include "ring/unique_fd.h"

namespace tapring {
namespace {

constexpr uint32_t kMaxAutomaticWorkers = 4;
constexpr uint32_t kMaxAutomaticQueues = 8;
constexpr int kUsageError = 2;
constexpr const char* kLastStart = "last-start.toml";

uint32_t online_cpus(uint32_t limit) {
  return std::clamp(std::thread::hardware_concurrency(), 1U, limit);
}

using Problems = std::vector<std::string>;

void complain(const OptionStreams& streams, std::string_view problem,
              LogLevel level = LogLevel::err) {
  fmt::print(streams.err, "{}tapringd: {}\n", priority_prefix(streams.reader, level), problem);
}

std::optional<OptionValue> value_of(const toml::node& node) {
  if (const auto* number = node.as_integer()) return number->get();
  if (const auto* text = node.as_string()) return text->get();
  const auto* array = node.as_array();
  if (array == nullptr) return std::nullopt;
  std::vector<std::string> texts;
  for (const toml::node& element : *array) {
    if (!element.is_string()) return std::nullopt;
    texts.push_back(element.as_string()->get());
  }
  return texts;
}

// As it could have been written in the file.
std::string source_text(const toml::node& node) {
  std::ostringstream text;
  node.visit([&](const auto& typed) { text << typed; });
  return printable(text.str());
}

std::string all_names() {
  std::vector<std::string> names;
  for (const OptionKey& key : option_keys()) names.emplace_back(key.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

void read_table(const toml::table& table, const std::string& file, Options& options,
                Problems& problems) {
  for (const auto& [name, node] : table) {
    const auto place = fmt::format("{}:{}", file, node.source().begin.line);
    const auto key = std::ranges::find(option_keys(), name.str(), &OptionKey::name);
    if (key == option_keys().end()) {
      problems.push_back(fmt::format("{}: there is no key {}; the keys are {}", place,
                                     printable(name.str()), all_names()));
      continue;
    }
    const auto value = value_of(node);
    if (!value || !key->assign(options, *value)) {
      problems.push_back(fmt::format("{}: {} = {}: must be {}", place, key->name, source_text(node),
                                     key->expected()));
    }
  }
}

Result<std::string> contents_of(const std::filesystem::path& file) {
  const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return std::unexpected(system_error_code(errno));
  std::string contents;
  std::array<char, 4096> part{};
  for (;;) {
    const ssize_t length = ::read(fd.get(), part.data(), part.size());
    if (length < 0) return std::unexpected(system_error_code(errno));
    if (length == 0) return contents;
    contents.append(part.data(), static_cast<std::size_t>(length));
  }
}

void read_file(const std::filesystem::path& file, Options& options, Problems& problems) {
  const Result<std::string> contents = contents_of(file);
  if (!contents) {
    problems.push_back(
        fmt::format("{}: cannot be read: {}", file.string(), contents.error().message()));
    return;
  }
  try {
    read_table(toml::parse(*contents), file.string(), options, problems);
  } catch (const toml::parse_error& error) {
    problems.push_back(fmt::format("{}:{}: is not TOML: {}", file.string(),
                                   error.source().begin.line, printable(error.description())));
  }
}

/// What keep_for_next_start() left, if there are disks that wait. Keys that another version wrote,
/// and this one does not know, are passed over.
std::optional<Options> options_of_last_start(const std::filesystem::path& run_dir) {
  std::error_code missing;
  const bool disks_wait = std::filesystem::directory_iterator(run_dir / "journal", missing) !=
                          std::filesystem::directory_iterator();
  const std::filesystem::path file = file_of_last_start(run_dir);
  if (!disks_wait || !std::filesystem::exists(file, missing)) return std::nullopt;
  Options options;
  Problems ignored;
  read_file(file, options, ignored);
  return options;
}

/// It is made at the start where it is not there, with the directories above it.
std::optional<std::string> problem_of_run_dir(const std::filesystem::path& run_dir) {
  std::filesystem::path there = run_dir;
  std::error_code error;
  while (!std::filesystem::exists(there, error) && there.has_relative_path()) {
    there = there.parent_path();
  }
  if (std::filesystem::is_directory(there, error)) return std::nullopt;
  return fmt::format("run_dir = {}: {} is no directory", printable(run_dir.string()),
                     printable(there.string()));
}

/// What this host cannot do.
Problems problems_of_host(const Options& options) {
  Problems problems;
  std::thread([&] {
    for (const CpuRange& cpus : options.worker_cpus) {
      try {
        run_on(cpus);
      } catch (const std::system_error& error) {
        problems.emplace_back(error.what());
      }
    }
  }).join();
  if (auto problem = problem_of_run_dir(options.run_dir)) problems.push_back(std::move(*problem));
  return problems;
}

/// What a start does not fail for, but disks will: a file system may not be mounted yet.
Problems warnings_of_host(const Options& options) {
  Problems warnings;
  for (const OptionKey& key : option_keys()) {
    const auto* directories = std::get_if<DirectoriesKey>(&key.field);
    if (directories == nullptr) continue;
    for (const std::filesystem::path& directory : options.*directories->field) {
      std::error_code error;
      const bool is_there = std::filesystem::is_directory(directory, error);
      if (is_there || error == std::errc::permission_denied) continue;
      warnings.push_back(fmt::format(
          "warning: {}: {} {}, so no image in it can be served (mount it, make it or correct "
          "the path)",
          key.name, printable(directory.string()),
          std::filesystem::exists(directory, error) ? "is no directory" : "is not there"));
    }
  }
  return warnings;
}

std::string shown(const OptionValue& value) {
  if (const auto* number = std::get_if<int64_t>(&value)) return fmt::format("{}", *number);
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  return fmt::format("{}", fmt::join(std::get<std::vector<std::string>>(value), ","));
}

toml::array toml_array(const std::vector<std::string>& texts) {
  toml::array array;
  for (const std::string& text : texts) array.push_back(text);
  return array;
}

void dump(const Options& options, std::ostream& out) {
  std::string_view group;
  for (const OptionKey& key : option_keys()) {
    if (group != key.group) fmt::print(out, "{}# {}\n", group.empty() ? "" : "\n", key.group);
    group = key.group;
    toml::table line;
    const OptionValue value = key.value(options);
    if (const auto* number = std::get_if<int64_t>(&value)) line.insert(key.name, *number);
    if (const auto* text = std::get_if<std::string>(&value)) line.insert(key.name, *text);
    if (const auto* texts = std::get_if<std::vector<std::string>>(&value)) {
      line.insert(key.name, toml_array(*texts));
    }
    fmt::print(out, "\n# {}\n", key.help);
    out << toml::toml_formatter(line) << "\n";
  }
}

/// tapringd's command line, declared once. Texts of keys are kept until the file has been read.
class CommandLine {
 public:
  explicit CommandLine(const std::filesystem::path& default_config) : config_(default_config) {
    app_.set_help_flag("-h,--help", "print this help and exit");
    app_.add_flag("--version", version, "print the version and what it was built from, and exit");
    app_.add_flag("--check-config", check,
                  "exit 0 if the configuration is right, else 2 and say why");
    app_.add_flag("--dump-config", dump_config,
                  "print the configuration in effect, as a file, and exit");
    config_option_ =
        app_.add_option("--config", config_, "configuration file; the default one may be missing")
            ->type_name("FILE")
            ->capture_default_str();
    app_.get_formatter()->column_width(36);
    app_.footer(
        "The options under Behaviour and Performance are also keys of the configuration file,\n"
        "with _ for -. The command line overrides the file.");
    texts_.resize(option_keys().size());
    for (std::size_t i = 0; i < texts_.size(); ++i) {
      const OptionKey& key = option_keys()[i];
      CLI::Option* option = app_.add_option(key.flag(), texts_[i], key.help);
      option->group(key.group)->type_name(type_name(key));
      option->default_str(shown(key.value(Options{})));
      if (std::holds_alternative<DirectoriesKey>(key.field)) option->expected(0, 1);
      key_options_.push_back(option);
    }
  }

  /// The exit code if that is all: help was asked for, or the usage is wrong.
  std::optional<int> parse(std::span<const char* const> arguments, const OptionStreams& streams) {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    try {
      app_.parse(std::move(reversed));
    } catch (const CLI::CallForHelp&) {
      streams.out << app_.help();
      return 0;
    } catch (const CLI::ParseError& error) {
      complain(streams,
               fmt::format("{}; tapringd --help lists what there is", printable(error.what())));
      return kUsageError;
    }
    return std::nullopt;
  }

  std::filesystem::path config() const { return config_; }
  bool names_config() const { return config_option_->count() > 0; }

  void apply(Options& options, Problems& problems) const {
    for (std::size_t i = 0; i < texts_.size(); ++i) {
      const OptionKey& key = option_keys()[i];
      if (key_options_[i]->count() == 0) continue;
      if (key.assign(options, key.from_argument(texts_[i]))) continue;
      problems.push_back(fmt::format("command line: {} {}: must be {}", key.flag(),
                                     printable(texts_[i]), key.expected()));
    }
  }

  bool version = false;
  bool check = false;
  bool dump_config = false;

 private:
  static const char* type_name(const OptionKey& key) {
    if (std::holds_alternative<NumberKey>(key.field)) return "N";
    if (std::holds_alternative<DirectoryKey>(key.field)) return "DIR";
    if (std::holds_alternative<DirectoriesKey>(key.field)) return "DIR,...";
    if (std::holds_alternative<KindsKey>(key.field)) return "KIND,...";
    if (std::holds_alternative<ChoiceKey<OnError>>(key.field)) return "WHAT";
    if (std::holds_alternative<ChoiceKey<PlainLines>>(key.field)) return "WHAT";
    if (std::holds_alternative<ChoiceKey<Isolation>>(key.field)) return "WHAT";
    if (std::holds_alternative<ChoiceKey<WorkerSandbox>>(key.field)) return "WHAT";
    if (std::holds_alternative<NamedFilesKey>(key.field)) return "WHICH";
    return "LEVEL";
  }

  CLI::App app_{"Serves the disks of Xen guests from image files", "tapringd"};
  std::string config_;
  CLI::Option* config_option_;
  std::vector<std::string> texts_;
  std::vector<CLI::Option*> key_options_;
};

}  // namespace

uint32_t Options::worker_count() const {
  if (workers != 0) return workers;
  if (!worker_cpus.empty()) return static_cast<uint32_t>(worker_cpus.size());
  return online_cpus(kMaxAutomaticWorkers);
}

uint32_t Options::queue_limit() const {
  return max_queues != 0 ? max_queues : online_cpus(kMaxAutomaticQueues);
}

std::expected<Options, int> parse_options(std::span<const char* const> arguments,
                                          const OptionStreams& streams) {
  CommandLine line(streams.default_config);
  if (const std::optional<int> code = line.parse(arguments, streams)) return std::unexpected(*code);
  if (line.version) {
    streams.out << version_line("tapringd") << "\n";
    return std::unexpected(0);
  }
  Options options;
  Problems problems;
  if (line.names_config() || std::filesystem::exists(line.config())) {
    read_file(line.config(), options, problems);
  }
  line.apply(options, problems);
  if (line.check && streams.checks_host && problems.empty()) problems = problems_of_host(options);
  for (const std::string& problem : problems) complain(streams, problem);
  if (line.check && streams.checks_host && problems.empty()) {
    for (const std::string& warning : warnings_of_host(options)) {
      complain(streams, warning, LogLevel::warn);
    }
  }
  const bool starts = !line.check && !line.dump_config && streams.problems != nullptr;
  if (!problems.empty() && starts) {
    if (const auto last = options_of_last_start(options.run_dir)) {
      streams.problems->push_back(
          "the configuration is wrong (tapringd --check-config): that of the last start is in use, "
          "as disks wait");
      complain(streams, streams.problems->back());
      return *last;
    }
  }
  if (!problems.empty()) return std::unexpected(kUsageError);
  if (line.dump_config) dump(options, streams.out);
  if (line.dump_config || line.check) return std::unexpected(0);
  return options;
}

std::expected<Options, int> parse_options(int argc, char** argv,
                                          std::vector<std::string>& problems) {
  std::vector<const char*> arguments(argv + std::min(argc, 1), argv + argc);
  return parse_options(arguments, {kDefaultConfig, std::cout, std::cerr, reader_of_stderr(),
                                   /*checks_host=*/true, &problems});
}

std::filesystem::path file_of_last_start(const std::filesystem::path& run_dir) {
  return run_dir / kLastStart;
}

std::string to_toml(const Options& options) {
  std::ostringstream text;
  dump(options, text);
  return text.str();
}

Options parse_toml(const std::string& text) {
  Options options;
  Problems ignored;
  read_table(toml::parse(text), "the control process", options, ignored);
  return options;
}

void keep_for_next_start(const Options& options) {
  const std::filesystem::path file = file_of_last_start(options.run_dir);
  const std::filesystem::path half = file.string() + ".new";
  std::ofstream out(half);
  dump(options, out);
  out.close();
  if (!out) throw std::system_error(errno, std::system_category(), "writing " + half.string());
  std::filesystem::rename(half, file);
}

}  // namespace tapring
