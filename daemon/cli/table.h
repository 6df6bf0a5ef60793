// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tapring {

enum class Colour : uint8_t { none, green, yellow, red };

struct Cell {
  std::string text;
  Colour colour = Colour::none;
};

/// "-" for a text that is empty.
std::string or_dash(const std::string& text);

/// "NAME   VALUE": one thing of a page, in a line. or_dash(), with control characters
/// made visible.
void print_line(std::ostream& out, std::string_view name, const std::string& value);

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
