// SPDX-License-Identifier: MIT
#include "tests/formats/qemu.h"

#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <stdexcept>

namespace tapring {
namespace {

struct Output {
  std::string text;
  int status;
};

Output output_of(const std::string& command) {
  std::FILE* pipe = ::popen(("{ " + command + "; } 2>&1").c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("popen " + command);
  Output output{{}, 0};
  std::array<char, 4096> piece;
  while (const std::size_t bytes = std::fread(piece.data(), 1, piece.size(), pipe)) {
    output.text.append(piece.data(), bytes);
  }
  output.status = ::pclose(pipe);
  return output;
}

}  // namespace

std::filesystem::path memory_directory() {
  const std::filesystem::path memory = "/dev/shm";
  return std::filesystem::exists(memory) ? memory : std::filesystem::temp_directory_path();
}

std::string run_command(const std::string& command) {
  Output output = output_of(command);
  if (output.status != 0) throw std::runtime_error(command + ": " + output.text);
  return std::move(output.text);
}

std::string shell_quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

std::string bytes_of_file(const std::filesystem::path& path) {
  std::string bytes(std::filesystem::file_size(path), '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!file) throw std::runtime_error("read " + path.string());
  return bytes;
}

std::string content_by_qemu(const std::filesystem::path& image, const std::string& more,
                            const std::string& format) {
  const std::filesystem::path raw = image.string() + ".content";
  run_command("qemu-img convert " + more + " -U -f " + format + " -O raw " +
              shell_quoted(image.string()) + " " + shell_quoted(raw.string()));
  std::string content = bytes_of_file(raw);
  std::filesystem::remove(raw);
  return content;
}

std::string complaints_of_qemu(const std::filesystem::path& image) {
  const Output output = output_of("qemu-img check -U -q -f qcow2 " + shell_quoted(image.string()));
  return output.status == 0 ? "" : "status " + std::to_string(output.status) + ": " + output.text;
}

std::string damage_by_qemu(const std::filesystem::path& image) {
  constexpr int kLeaksOnly = 3;
  const Output output = output_of("qemu-img check -U -q -f qcow2 " + shell_quoted(image.string()));
  const bool leaks = WIFEXITED(output.status) && WEXITSTATUS(output.status) == kLeaksOnly;
  return output.status == 0 || leaks ? "" : output.text;
}

}  // namespace tapring
