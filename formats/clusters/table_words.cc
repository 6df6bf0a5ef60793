// SPDX-License-Identifier: MIT
#include "formats/clusters/table_words.h"

#include "formats/reject.h"

namespace tapring {

bool is_inside(const OpenFile& file, const qcow2::Layout& layout, uint64_t offset,
               uint64_t bytes) noexcept {
  const uint64_t end = layout.round_up(file.size_bytes);
  return bytes == 0 || (offset < end && bytes <= end - offset);
}

void check_inside(const OpenFile& file, const qcow2::Layout& layout, const std::string& what,
                  uint64_t offset, uint64_t bytes) {
  if (is_inside(file, layout, offset, bytes)) return;
  reject(file.path, what + " at byte " + std::to_string(offset) + " is outside the file");
}

std::vector<uint64_t> read_table(const OpenFile& file, uint64_t offset, uint64_t entries) {
  std::vector<uint64_t> table(entries);
  for_each_word(file, offset, entries, [&](uint64_t index, uint64_t word) { table[index] = word; });
  return table;
}

}  // namespace tapring
