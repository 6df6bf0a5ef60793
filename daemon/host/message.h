// SPDX-License-Identifier: MIT
// What the control process and a worker process say to each other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ring/unique_fd.h"

namespace tapring {

/// Goes into the first message of a connection. Processes that do not speak the same version do not
/// speak: the older one is replaced.
inline constexpr uint32_t kProtocolVersion = 3;

/// What a message is about, with its words; `->` its result's.
enum class Verb : uint8_t {
  hello,  ///< a worker's first word: the protocol's version, and that of the program

  // A worker asks for its guests' part of xenstore: see Xenstore.
  store_connect,
  store_read,     ///< path -> the value, or none
  store_list,     ///< path -> names
  store_commit,   ///< see StoreCommit -> "1" or, if others came between, "0"
  store_watch,    ///< path, token
  store_unwatch,  ///< likewise
  store_alive,    ///< a domain -> "1" or "0"
  // The worker is told.
  store_event,  ///< path, token
  store_lost,   ///< the reason

  // A worker asks for witnesses of lost writes: see WitnessStore.
  witness_keep,    ///< a disk; and the descriptors
  witness_fetch,   ///< a disk -> "1" and the descriptors, or "0" if none are kept
  witness_remove,  ///< a disk
  witness_list,    ///< -> its disks of which any are kept

  // A worker asks for the journals of its disks: see JournalStore.
  journal_open,    ///< a disk, a queue's number, bytes -> the descriptor
  journal_remove,  ///< a disk
  journal_list,    ///< -> its disks that have any

  // About the host as a whole.
  is_empty,         ///< told: "1" if the worker has no disk any more, "0" when it has one again
  outdated,         ///< told: why the worker is to be replaced
  disks_elsewhere,  ///< how many disks the worker has -> how many the other workers have

  // The control process asks a worker.
  request,    ///< a line of the control socket -> its answer
  configure,  ///< the configuration, as TOML

  last = configure,
};

struct Message {
  enum class Kind : uint8_t {
    call,    ///< a result is to come
    result,  ///< of the call that has the same number
    error,   ///< likewise, but it failed: the number of an errno value, and what it was about
    tell,    ///< nothing is to come
    last = tell,
  };

  Kind kind = Kind::tell;
  Verb verb = Verb::hello;
  uint64_t number = 0;  ///< of the call, of those that its sender made
  std::vector<std::string> words{};
  std::vector<UniqueFd> descriptors{};
};

/// All of a message but its descriptors, in the byte order of the host.
std::string encode(const Message& message);

/// nullopt if these are not the bytes of a message, whoever sent them.
std::optional<Message> decode(std::string_view bytes);

}  // namespace tapring
