// SPDX-License-Identifier: MIT
#include "tests/sim/witness.h"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>

namespace tapring::sim {
namespace {

/// As it stands in the file.
struct Witness {
  uint64_t told = 0;
  std::array<char, PATH_MAX> path{};
};

void transfer(const auto& move, const UniqueFd& file, Witness& witness) {
  if (move(file.get(), &witness, sizeof witness, 0) != sizeof witness) {
    throw std::system_error(errno, std::system_category(), "a simulated witness");
  }
}

}  // namespace

UniqueFd make_sim_witness(SimStorage& storage, UniqueFd file) {
  const auto link = "/proc/self/fd/" + std::to_string(file.get());
  const std::string path = std::filesystem::read_symlink(link);
  Witness witness{.told = storage.told_at_opening(path)};
  path.copy(witness.path.data(), witness.path.size() - 1);
  UniqueFd made(::memfd_create("witness", MFD_CLOEXEC));
  transfer(::pwrite, made, witness);
  return made;
}

Error ask_sim_witness(SimStorage& storage, const UniqueFd& witness) {
  Witness asked;
  transfer(::pread, witness, asked);
  const Error error = storage.take_writeback_error(asked.path.data(), asked.told);
  transfer(::pwrite, witness, asked);
  return error;
}

}  // namespace tapring::sim
