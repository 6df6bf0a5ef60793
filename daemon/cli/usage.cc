// SPDX-License-Identifier: MIT
#include "daemon/cli/usage.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include "daemon/cli/byte_size.h"
#include "formats/printable.h"

namespace tapring {
namespace {

constexpr std::size_t kMostCompared = 32;

/// How many characters must be put in, left out or replaced to make one of the other (Levenshtein).
/// `other` has at most kMostCompared.
std::size_t distance(std::string_view one, std::string_view other) {
  std::array<std::size_t, kMostCompared + 1> row{};
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < one.size(); ++i) {
    std::size_t diagonal = std::exchange(row.front(), i + 1);
    for (std::size_t j = 0; j < other.size(); ++j) {
      const std::size_t replaced = diagonal + (one[i] == other[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.at(other.size());
}

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

/// The place of the first word that is no option, nor the value of one; the end if there is none.
auto first_word(std::span<const std::string> arguments) {
  auto word = arguments.begin();
  while (word != arguments.end() && word->starts_with('-')) {
    const bool takes_value = *word == "--run-dir";
    std::advance(word, std::min<std::ptrdiff_t>(takes_value ? 2 : 1, arguments.end() - word));
  }
  return word;
}

}  // namespace

std::optional<std::string> closest(std::string_view word, std::span<const std::string> names) {
  const auto far = [word](const std::string& name) {
    return distance(word, std::string_view(name).substr(0, kMostCompared));
  };
  const auto best = std::ranges::min_element(names, {}, far);
  // Up to a third of the letters may be wrong; or `word` is the beginning of the name.
  const bool likely = best != names.end() && !word.empty() &&
                      (far(*best) <= 1 + word.size() / 3 || best->starts_with(word));
  return likely ? std::optional(*best) : std::nullopt;
}

std::vector<std::string> plain_arguments(std::span<const char* const> arguments) {
  std::vector<std::string> plain(arguments.begin(), arguments.end());
  const auto word = first_word(plain) - std::span<const std::string>(plain).begin();
  const auto command = plain.begin() + word;
  if (command == plain.end()) return plain;
  if (*command == "version") *command = "--version";
  if (*command == "help") {
    plain.erase(command);
    plain.emplace_back("--help");
  }
  return plain;
}

std::string command_in(std::span<const std::string> arguments) {
  const auto word = first_word(arguments);
  return word == arguments.end() ? std::string() : *word;
}

const CLI::App& named_command(const CLI::App& app, std::span<const std::string> arguments) {
  const auto word = first_word(arguments);
  for (const CLI::App* command : commands_of(app)) {
    if (word == arguments.end() || command->get_name() != *word) continue;
    return named_command(*command, {std::next(word), arguments.end()});
  }
  return app;
}

std::string words_of(const CLI::App& command) {
  const CLI::App* parent = command.get_parent();
  return (parent == nullptr ? "" : words_of(*parent) + ' ') + command.get_name();
}

std::optional<std::string> instead_of_qemu(const CLI::App& command,
                                           std::span<const std::string> arguments) {
  struct Habit {
    std::string theirs;
    std::string ours;
  };
  const Habit habits[] = {{"-f", "--format"}, {"-F", "--backing-format"}, {"-b", "--backing"},
                          {"-r", "--repair"}, {"-o", "--cluster-size"},   {"--output", "--json"}};
  for (const std::string& argument : arguments) {
    for (const auto& [theirs, ours] : habits) {
      if (argument != theirs && !argument.starts_with(theirs + '=')) continue;
      if (command.get_option_no_throw(ours) == nullptr) continue;
      return fmt::format("{} is of qemu-img; here there is {}{}", theirs, ours,
                         theirs == "-o" ? " and the like" : "");
    }
  }
  const bool is_plain = arguments.size() > 1 && !arguments[arguments.size() - 2].starts_with('-');
  const bool has_size = command.get_option_no_throw("--size") != nullptr;
  if (has_size && is_plain && parse_byte_size(arguments.back())) {
    return fmt::format("the size is given as --size {}", arguments.back());
  }
  return std::nullopt;
}

std::optional<std::string> wrong_command(const CLI::App& app,
                                         std::span<const std::string> arguments) {
  const auto word = first_word(arguments);
  if (word == arguments.end()) return std::nullopt;
  std::vector<std::string> names;
  for (const CLI::App* command : commands_of(app)) {
    names.push_back(command->get_name());
    if (*word != names.back()) continue;
    if (commands_of(*command).empty()) return std::nullopt;
    return wrong_command(*command, {std::next(word), arguments.end()});
  }
  const auto meant = closest(*word, names);
  return fmt::format("there is no command \"{}\"; {}", escaped(*word),
                     meant ? fmt::format("did you mean {}?", *meant)
                           : fmt::format("there are {}", fmt::join(names, ", ")));
}

}  // namespace tapring
