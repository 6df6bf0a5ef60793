// SPDX-License-Identifier: MIT
#include "daemon/control/json_text.h"

#include <boost/json.hpp>
#include <utility>

#include "formats/printable.h"

namespace tapring {
namespace {

namespace json = boost::json;

void make_printable(json::value& value) {
  if (auto* text = value.if_string()) {
    *text = printable(*text);
  } else if (auto* array = value.if_array()) {
    for (json::value& element : *array) make_printable(element);
  } else if (auto* object = value.if_object()) {
    for (auto& member : *object) make_printable(member.value());
  }
}

}  // namespace

std::string json_text(json::value value) {
  make_printable(value);
  return json::serialize(value);
}

}  // namespace tapring
