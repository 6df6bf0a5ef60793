// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace tapring {

/// Clusters of the file without references, as far as they are remembered. "Filled" ones still take
/// room of the storage; "punched" ones are holes of the file.
class FreeClusters {
 public:
  /// Of both kinds together. More are forgotten: punched ones first, as they take no room.
  static constexpr std::size_t kMaxRuns = 16384;
  static constexpr uint64_t kNone = UINT64_MAX;
  static constexpr std::size_t kMaxBeingPunched = 64;

  struct Run {
    uint64_t first = 0;
    uint64_t count = 0;
    bool punched = false;
  };

  /// Reserves memory for the runs that are being punched, so that the end of a punch cannot fail.
  FreeClusters() { being_punched_.reserve(kMaxBeingPunched); }

  void add(Run run);

  /// Takes out the first filled run, at most so many clusters of it; else the first punched one. A
  /// count of 0 if there is none.
  Run take(uint64_t most);

  /// These are in use now, whoever found them.
  void remove(uint64_t first, uint64_t count);

  /// Takes out the last filled run, at most so many clusters of it, to be punched: nobody uses them
  /// until end_punch(). A count of 0 if there is none.
  Run take_to_punch(uint64_t most);
  void end_punch(Run run, bool punched);
  bool is_being_punched(uint64_t cluster) const noexcept;

  /// Free clusters at or after this one may have been forgotten, which is asked once; or kNone.
  uint64_t take_forgotten() noexcept;
  void forget(uint64_t first) noexcept;

  bool empty() const noexcept { return filled_.empty() && punched_.empty(); }
  std::size_t filled_runs() const noexcept { return filled_.size(); }

 private:
  using Runs = std::map<uint64_t, uint64_t>;  ///< first cluster, and how many

  void insert(Runs& runs, uint64_t first, uint64_t count) noexcept;
  void make_room();

  Runs filled_;
  Runs punched_;
  std::vector<Run> being_punched_;  ///< a few
  uint64_t forgotten_ = kNone;
};

}  // namespace tapring
