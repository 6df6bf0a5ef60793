// SPDX-License-Identifier: MIT
// qemu-img and qemu-io, by which images of the tests are made and judged.
#pragma once

#include <filesystem>
#include <string>

namespace tapring {

/// Where to make images fast: QEMU's tools flush often.
std::filesystem::path memory_directory();

/// Runs a shell command; what it printed. Throws std::runtime_error with that if it fails.
std::string run_command(const std::string& command);

/// For a shell.
std::string shell_quoted(const std::string& text);

/// All of a file. Fast without optimization too, which iterators of streams are not.
std::string bytes_of_file(const std::filesystem::path& path);

/// The disk of an image, as QEMU reads it. `more`: further options.
std::string content_by_qemu(const std::filesystem::path& image, const std::string& more = "",
                            const std::string& format = "qcow2");

/// Empty if qemu-img finds nothing wrong with the image, no leaked cluster either.
std::string complaints_of_qemu(const std::filesystem::path& image);

/// As complaints_of_qemu(), but leaked clusters are none.
std::string damage_by_qemu(const std::filesystem::path& image);

}  // namespace tapring
