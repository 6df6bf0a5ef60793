// SPDX-License-Identifier: MIT
// The one table of configuration keys: the configuration file, the command line, --help and
// --dump-config are made from it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "daemon/config/options.h"

namespace tapring {

/// What a file or a command line says for a key.
using OptionValue = std::variant<int64_t, std::string, std::vector<std::string>>;

/// A whole number from `minimum` to `maximum`.
struct NumberKey {
  uint32_t Options::* field;
  uint32_t minimum;
  uint32_t maximum;
};

/// An absolute path.
struct DirectoryKey {
  std::filesystem::path Options::* field;
};

/// A list of absolute paths.
struct DirectoriesKey {
  std::vector<std::filesystem::path> Options::* field;
};

/// A list of backend kinds, at least one and none twice.
struct KindsKey {
  std::vector<std::string> Options::* field;
};

/// A list of numbers of CPUs and ranges of them.
struct CpusKey {
  std::vector<CpuRange> Options::* field;
};

/// One of kNames<Enum>.
template <typename Enum>
struct ChoiceKey {
  Enum Options::* field;
};

struct NamedFilesKey {
  NamedFiles Options::* field;
};

using OptionField = std::variant<NumberKey, DirectoryKey, DirectoriesKey, KindsKey, CpusKey,
                                 NamedFilesKey, ChoiceKey<LogLevel>, ChoiceKey<CoreDumps>,
                                 ChoiceKey<OnError>, ChoiceKey<PlainLines>, ChoiceKey<Isolation>,
                                 ChoiceKey<WorkerSandbox>>;

struct OptionKey {
  const char* name;   ///< as in the file: "log_level"
  const char* group;  ///< "Behaviour" or "Performance"
  const char* help;
  OptionField field;
  bool live = false;  ///< taken by a running daemon that is told to reload

  /// As on the command line: "--log-level".
  std::string flag() const;

  /// What a right value looks like, to end a message with: "a whole number from 0 to 4".
  std::string expected() const;

  /// Sets the field; false, and nothing is set, if the value is not what expected() says.
  bool assign(Options& options, const OptionValue& value) const;

  OptionValue value(const Options& options) const;

  /// What an argument of the command line means for this key. Lists are separated by commas.
  OptionValue from_argument(std::string_view text) const;
};

/// Takes what is live from `wanted`. The names of the other keys that differ, which need a restart.
std::vector<std::string> take_live(Options& running, const Options& wanted);

/// All keys, in the order in which they are shown.
std::span<const OptionKey> option_keys() noexcept;

}  // namespace tapring
