// SPDX-License-Identifier: MIT
// Images of every shape, made by QEMU's tools.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/sim/random.h"

namespace tapring {

/// One image of a chain.
struct Shape {
  bool raw = false;  ///< else qcow2, and the rest is of that
  int version = 3;
  unsigned cluster_bits = 16;
  unsigned refcount_bits = 16;
  bool extended_l2 = false;
  bool lazy_refcounts = false;
  bool zstd = false;
  bool data_file = false;
  bool data_file_raw = false;
  unsigned snapshots = 0;

  std::string text() const;
};

/// The shapes of a chain, the base first, which is number `number` of a list that has every cluster
/// size, version and feature; what the number leaves open is drawn.
std::vector<Shape> draw_chain(unsigned number, sim::Random& random);

/// Text that says where it is from, so that it is known again, and can be compressed.
void write_pattern(const std::filesystem::path& path, sim::Random& random);

/// Writes at random by qemu-io.
void write_by_qemu(const std::filesystem::path& path, const Shape& shape, uint64_t bytes,
                   unsigned writes, sim::Random& random, const std::string& format);

struct DrawnImage {
  std::filesystem::path path;
  std::filesystem::path base;  ///< the lowest of its chain; itself, where it has no backing file
  std::string text;            ///< how it was made
  std::vector<std::string> snapshots;  ///< their names
};

/// Makes the chain in `directory`, each image of it written to in ways of all kinds. Throws
/// std::runtime_error where the tools fail. No disk is larger than `most_bytes`.
DrawnImage make_chain(const std::filesystem::path& directory, const std::vector<Shape>& shapes,
                      sim::Random& random, uint64_t most_bytes = uint64_t{4} << 20);

}  // namespace tapring
