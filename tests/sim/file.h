// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <list>

#include "ring/file.h"
#include "ring/open_file.h"
#include "tests/sim/storage.h"

namespace tapring::sim {

class SimLoop;

/// A real file, read and written for real at the simulated moment when an operation completes: a
/// buffer that is touched too early spoils the data. A write that fails may have been done in part.
class SimFile final : public File {
 public:
  SimFile(SimLoop& loop, SimStorage& storage, OpenFile file);
  ~SimFile() override;

  Task<Error> read(uint64_t offset, Buffers into) override;
  Task<Error> write(uint64_t offset, Buffers from) override;
  Task<Error> sync() override;
  Task<Error> discard(uint64_t offset, uint64_t bytes) override;
  Task<Error> secure_erase(uint64_t offset, uint64_t bytes) override;
  Task<Result<uint64_t>> size() override;
  Task<Error> close() override;

  /// Each write under way is done later, or a part was done, all, or nothing; all operations fail.
  void die();

 private:
  class Completion;

  bool is_aligned(uint64_t offset, Buffers buffers) const;
  Task<Error> punch(FileOperation operation);
  uint64_t short_transfer(Buffers buffers);
  Task<Error> read_at_once(uint64_t offset, Buffers into);
  Task<Error> write_at_once(uint64_t offset, Buffers from);
  Error write_part(uint64_t offset, Buffers from);

  SimLoop& loop_;
  SimStorage& storage_;
  OpenFile file_;
  std::size_t in_flight_ = 0;
  std::size_t syncs_ = 0;
  struct Write {
    uint64_t offset;
    Buffers from;
  };
  std::list<Write> writes_;  ///< under way
  bool dead_ = false;
};

}  // namespace tapring::sim
