// SPDX-License-Identifier: MIT
#include "tests/formats/cut_workload.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <stdexcept>

#include "tests/formats/served_image.h"
#include "tests/sim/random.h"

namespace tapring {
namespace {

constexpr uint64_t kSector = 512;
constexpr uint64_t kMostRounds = 8;
constexpr uint64_t kMostMicroseconds = 4000;

struct Write {
  uint64_t offset;
  std::string data;
  bool discard = false;
  bool done = false;
};

Detached perform(Image& image, Write& write, std::size_t& left) {
  std::vector<char> memory(write.data.size());
  std::copy_n(write.data.data(), memory.size(), memory.data());
  const iovec whole{memory.data(), memory.size()};
  Error error;
  if (write.discard) {
    error = co_await image.discard(write.offset, memory.size());
  } else {
    error = co_await image.write(write.offset, {&whole, 1});
  }
  write.done = !error;
  --left;
}

Detached flush(Image& image, bool& done, std::size_t& left) {
  const Error error = co_await image.flush();
  done = !error;
  --left;
}

/// Each sector is unlike what was ever written.
std::string draw_data(uint64_t sectors, sim::Random& random) {
  std::string data(sectors * kSector, '*');
  for (uint64_t at = 0; at < data.size(); at += kSector) {
    const uint64_t mark = random.next();
    std::memcpy(data.data() + at, &mark, sizeof mark);
  }
  return data;
}

/// Of no two the same sector, but of many the same cluster.
std::vector<Write> draw_round(const Geometry& geometry, sim::Random& random) {
  std::vector<Write> writes;
  const uint64_t cluster = std::max<uint64_t>(geometry.discard_granularity, kSector);
  uint64_t at = random.below(geometry.size_bytes / kSector) * kSector;
  while (at < geometry.size_bytes && writes.size() < 8) {
    const uint64_t most = std::min<uint64_t>((geometry.size_bytes - at) / kSector, 40);
    const uint64_t sectors = random.between(1, most);
    Write write{at, {}};
    if (geometry.discard_granularity > 0 && random.chance(0.2)) {
      write.discard = true;
      write.offset = (at + cluster - 1) / cluster * cluster;
      if (write.offset + cluster > geometry.size_bytes) break;
      write.data.assign(cluster, '\0');
    } else {
      write.data = draw_data(sectors, random);
    }
    at = write.offset + write.data.size();
    writes.push_back(std::move(write));
  }
  return writes;
}

class Run {
 public:
  Run(const Workload& workload, const std::string& content, Cut cut, uint64_t cut_seed)
      : random_(workload.seed),
        cut_random_(cut_seed),
        cut_(cut),
        content_(content),
        promises_(content),
        image_(workload.seed, workload.format, workload.options) {
    image_.storage().make_losable(workload.options.path);
    image_.storage().make_losable(workload.options.path + ".data");
  }

  Promises run() {
    const uint64_t rounds = cut_random_.between(1, kMostRounds);
    for (uint64_t round = 1; round <= rounds; ++round) run_round(round == rounds);
    if (!image_.close()) throw std::runtime_error("closed in order, in spite of the cut");
    if (cut_ == Cut::power) image_.storage().power_on();
    return std::move(promises_);
  }

 private:
  void run_round(bool is_last) {
    std::vector<Write> writes = draw_round(image_.geometry(), random_);
    const std::string before = content_;
    bool flushed = false;
    const bool flushes = random_.chance(0.4);
    std::size_t left = writes.size() + (flushes ? 1 : 0);
    for (Write& write : writes) {
      promises_.begin_write(write.offset, write.data);
      image_.loop().post([&] { perform(image_.image(), write, left); });
    }
    if (flushes) image_.loop().post([&] { flush(image_.image(), flushed, left); });
    if (is_last) {
      image_.world().run_for(std::chrono::microseconds(cut_random_.below(kMostMicroseconds)));
      if (cut_ == Cut::power) image_.storage().power_off();
      if (cut_ == Cut::process) image_.die();
    }
    if (!image_.world().run_until([&left] { return left == 0; })) {
      throw std::runtime_error("the image hangs");
    }
    if (flushed) promises_.promise(0, before);
    for (const Write& write : writes) {
      if (flushed) promises_.begin_write(write.offset, write.data);
      if (!write.done) continue;
      content_.replace(write.offset, write.data.size(), write.data);
      if (cut_ == Cut::process) promises_.promise(write.offset, write.data);
    }
  }

  sim::Random random_;
  sim::Random cut_random_;
  Cut cut_;
  std::string content_;  ///< as far as what was written is done
  Promises promises_;
  ServedImage image_;
};

}  // namespace

Promises::Promises(const std::string& content) : allowed_(content.size() / kSector) {
  promise(0, content);
}

void Promises::begin_write(uint64_t offset, const std::string& data) {
  for (uint64_t at = 0; at < data.size(); at += kSector) {
    allowed_[(offset + at) / kSector].insert(data.substr(at, kSector));
  }
}

void Promises::promise(uint64_t offset, const std::string& data) {
  for (uint64_t at = 0; at + kSector <= data.size(); at += kSector) {
    allowed_[(offset + at) / kSector] = {data.substr(at, kSector)};
  }
}

std::string Promises::broken_by(const std::string& content) const {
  if (content.size() / kSector != allowed_.size()) return "it has another size";
  for (std::size_t i = 0; i < allowed_.size(); ++i) {
    if (allowed_[i].contains(content.substr(i * kSector, kSector))) continue;
    return "sector " + std::to_string(i) + " has what it never had, or no more";
  }
  return {};
}

Promises run_until_cut(const Workload& workload, const std::string& content, Cut cut,
                       uint64_t cut_seed) {
  return Run(workload, content, cut, cut_seed).run();
}

Result<std::string> content_by_driver(const Workload& workload) {
  ServedImage image(workload.seed, workload.format, workload.options);
  Result<std::string> content = image.content();
  const Error closed = image.close();
  if (closed) return std::unexpected(closed);
  return content;
}

}  // namespace tapring
