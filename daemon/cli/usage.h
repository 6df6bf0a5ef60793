// SPDX-License-Identifier: MIT
// What happens to a command line before it is parsed: `help` and `version` become options, and a
// misspelled command is answered with the one that was probably meant.
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

/// The command, or subcommand, of `app` that `arguments` name; `app` where they name none.
const CLI::App& named_command(const CLI::App& app, std::span<const std::string> arguments);

/// How it is typed: "tapring image create".
std::string words_of(const CLI::App& command);

/// How to say to this command what an argument says to qemu-img; nullopt if there is no such one.
std::optional<std::string> instead_of_qemu(const CLI::App& command,
                                           std::span<const std::string> arguments);

/// What is wrong with the command, or subcommand, that `arguments` name, with a proposal if there
/// is a similar one. nullopt if nothing is wrong or no command is named.
std::optional<std::string> wrong_command(const CLI::App& app,
                                         std::span<const std::string> arguments);

/// The name that is most similar to `word`, if it is similar enough to be what was meant.
std::optional<std::string> closest(std::string_view word, std::span<const std::string> names);

}  // namespace tapring
