// SPDX-License-Identifier: MIT
#include "daemon/host/message.h"

#include <cstring>

namespace tapring {
namespace {

template <typename Number>
void put(std::string& bytes, Number number) {
  bytes.append(reinterpret_cast<const char*>(&number), sizeof number);
}

/// Takes what it returns from the front of `bytes`; nullopt if that is too short.
template <typename Number>
std::optional<Number> take(std::string_view& bytes) {
  Number number{};
  if (bytes.size() < sizeof number) return std::nullopt;
  std::memcpy(&number, bytes.data(), sizeof number);
  bytes.remove_prefix(sizeof number);
  return number;
}

std::optional<std::string> take_word(std::string_view& bytes) {
  const auto length = take<uint32_t>(bytes);
  if (!length || bytes.size() < *length) return std::nullopt;
  std::string word(bytes.substr(0, *length));
  bytes.remove_prefix(*length);
  return word;
}

}  // namespace

std::string encode(const Message& message) {
  std::string bytes;
  put(bytes, message.kind);
  put(bytes, message.verb);
  put(bytes, message.number);
  for (const std::string& word : message.words) {
    put(bytes, static_cast<uint32_t>(word.size()));
    bytes += word;
  }
  return bytes;
}

std::optional<Message> decode(std::string_view bytes) {
  const auto kind = take<uint8_t>(bytes);
  const auto verb = take<uint8_t>(bytes);
  const auto number = take<uint64_t>(bytes);
  if (!number || *kind > static_cast<uint8_t>(Message::Kind::last) ||
      *verb > static_cast<uint8_t>(Verb::last)) {
    return std::nullopt;
  }
  Message message{static_cast<Message::Kind>(*kind), static_cast<Verb>(*verb), *number};
  while (!bytes.empty()) {
    auto word = take_word(bytes);
    if (!word) return std::nullopt;
    message.words.push_back(*std::move(word));
  }
  return message;
}

}  // namespace tapring
