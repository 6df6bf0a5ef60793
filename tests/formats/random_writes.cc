// SPDX-License-Identifier: MIT
#include "tests/formats/random_writes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "ring/sizes.h"

namespace tapring {
namespace {


struct Operation {
  enum class Kind : uint8_t { write, discard, read, flush } kind;
  uint64_t offset;
  std::string data;  ///< to be written, or to be read
};

/// Some operations at once, of which no two are of the same sector, but many of the same cluster.
std::vector<Operation> draw_operations(sim::Random& random, const Geometry& geometry,
                                       const std::string& content) {
  std::vector<Operation> operations;
  const uint64_t cluster = std::max<uint64_t>(geometry.discard_granularity, kSectorBytes);
  uint64_t at = random.below(geometry.size_bytes / kSectorBytes) * kSectorBytes;
  while (at < geometry.size_bytes && operations.size() < 20) {
    const uint64_t most = std::min<uint64_t>((geometry.size_bytes - at) / kSectorBytes,
                                             random.chance(0.2) ? 800 : 12);
    uint64_t bytes = random.between(1, most) * kSectorBytes;
    Operation operation{Operation::Kind::write, at,
                        std::string(bytes, static_cast<char>(random.next()))};
    const uint64_t choice = random.below(8);
    if (choice == 0) {
      operation.kind = Operation::Kind::read;
      operation.data = content.substr(at, bytes);
    } else if (choice == 1) {
      operation.kind = Operation::Kind::flush;
    } else if (choice == 2 && geometry.discard_granularity > 0) {
      operation.kind = Operation::Kind::discard;
      operation.offset = at = (at + cluster - 1) / cluster * cluster;
      bytes =
          std::min(random.between(1, 4) * cluster, content.size() - std::min(at, content.size()));
      if (bytes == 0) break;
      operation.data.assign(bytes, '\0');
    }
    operations.push_back(std::move(operation));
    at += bytes + random.below(3) * kSectorBytes;
  }
  return operations;
}

Detached perform(Image& image, const Operation& operation, std::size_t& left) {
  std::vector<char> memory(operation.data.begin(), operation.data.end());
  const iovec whole{memory.data(), memory.size()};
  Error error;
  switch (operation.kind) {
    case Operation::Kind::write:
      error = co_await image.write(operation.offset, {&whole, 1});
      break;
    case Operation::Kind::flush:
      error = co_await image.flush();
      break;
    case Operation::Kind::discard:
      error = co_await image.discard(operation.offset, memory.size());
      break;
    case Operation::Kind::read:
      std::ranges::fill(memory, '?');
      error = co_await image.read(operation.offset, {&whole, 1});
      EXPECT_TRUE(std::ranges::equal(memory, operation.data)) << "at " << operation.offset;
  }
  EXPECT_FALSE(error) << error.message();
  --left;
}

}  // namespace

void write_at_random(ServedImage& image, sim::Random& random, std::string& content, int rounds) {
  for (int round = 0; round < rounds; ++round) {
    const std::vector<Operation> operations = draw_operations(random, image.geometry(), content);
    std::size_t left = operations.size();
    for (const Operation& operation : operations) {
      image.loop().post([&] { perform(image.image(), operation, left); });
    }
    ASSERT_TRUE(image.world().run_until([&left] { return left == 0; })) << "the image hangs";
    for (const Operation& operation : operations) {
      if (operation.kind == Operation::Kind::write || operation.kind == Operation::Kind::discard) {
        content.replace(operation.offset, operation.data.size(), operation.data);
      }
    }
  }
}

}  // namespace tapring
