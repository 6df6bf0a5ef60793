// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

namespace tapring {

enum class Colour : uint8_t { none, green, yellow, red };

struct Cell {
  std::string text;
  Colour colour = Colour::none;
};

/// Text in aligned columns. Control characters in cells are made visible.
class Table {
 public:
  enum class Align : uint8_t { left, right };
  struct Column {
    std::string title;
    Align align = Align::left;
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  /// One cell for each column.
  void add(std::vector<Cell> row);

  void print(std::ostream& out, bool colours) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace tapring
