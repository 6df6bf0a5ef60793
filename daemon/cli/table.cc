// SPDX-License-Identifier: MIT
#include "daemon/cli/table.h"

#include <fmt/format.h>
#include <fmt/ostream.h>

#include <algorithm>
#include <cassert>
#include <ostream>

#include "formats/printable.h"

namespace tapring {
namespace {

constexpr const char* kColumnGap = "  ";

std::string coloured(const std::string& text, Colour colour) {
  switch (colour) {
    case Colour::none:
      return text;
    case Colour::green:
      return "\033[32m" + text + "\033[0m";
    case Colour::yellow:
      return "\033[33m" + text + "\033[0m";
    case Colour::red:
      return "\033[31m" + text + "\033[0m";
  }
  return text;
}

}  // namespace

std::string or_dash(const std::string& text) {
  return text.empty() ? "-" : text;
}

void print_line(std::ostream& out, std::string_view name, const std::string& value) {
  fmt::print(out, "{:<16} {}\n", name, printable(or_dash(value)));
}

void Table::add(std::vector<Cell> row) {
  assert(row.size() == columns_.size());
  for (Cell& cell : row) cell.text = printable(cell.text);
  rows_.push_back(std::move(row));
}

void Table::print(std::ostream& out, bool colours) const {
  std::vector<Cell> titles;
  titles.reserve(columns_.size());
  for (const Column& column : columns_) titles.push_back({column.title});
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    widths.push_back(titles[i].text.size());
    for (const auto& row : rows_) widths[i] = std::max(widths[i], row[i].text.size());
  }
  const auto print_row = [&](const std::vector<Cell>& row) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - row[i].text.size(), ' ');
      const std::string text = colours ? coloured(row[i].text, row[i].colour) : row[i].text;
      const bool right = columns_[i].align == Align::right;
      const bool last = i + 1 == row.size();
      fmt::print(out, "{}{}{}{}", right ? padding : "", text, right || last ? "" : padding,
                 last ? "\n" : kColumnGap);
    }
  };
  print_row(titles);
  for (const auto& row : rows_) print_row(row);
}

}  // namespace tapring
