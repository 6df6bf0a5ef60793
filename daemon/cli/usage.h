// SPDX-License-Identifier: MIT
// What `tapring` makes of a command line before it is parsed: other ways to say the same, and words
// that are no commands.
#pragma once

#include <CLI/App.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tapring {

/// The command line with `help`, `help COMMAND` and `version` as the options that they stand for.
std::vector<std::string> plain_arguments(std::span<const char* const> arguments);

/// The first word of `arguments` that is no option, nor the value of one; empty if there is none.
std::string command_in(std::span<const std::string> arguments);

/// What is wrong with the command that `arguments` name, or with the command of that command; a
/// command that is like it is proposed. nullopt if nothing is, or none is named.
std::optional<std::string> wrong_command(const CLI::App& app,
                                         std::span<const std::string> arguments);

/// Of `names` the one that differs least from `word`, if it is likely to be meant.
std::optional<std::string> closest(std::string_view word, std::span<const std::string> names);

}  // namespace tapring
