// SPDX-License-Identifier: MIT
// What the control socket is asked and what it answers, without the socket.
#pragma once

#include <string>
#include <string_view>

#include "daemon/vbd/administration.h"

namespace tapring {

/// The answer to one request, each a JSON object on a line (without the line's end):
///
///   {"command": "list"}                    every disk
///   {"command": "show", "disk": "0/xvda"}  that disk; its number serves as well: "0/51712"
///   {"command": "stats"}                   as list, or as show if a disk is named
///   {"command": "resume", "disk": ...}     tries what that disk, paused, holds; then as show
///   {"command": "adopt", "disk": ...}      takes that disk from xen-blkback; then as show, while
///                                          it is under way
///   {"command": "release", "disk": ...}    gives that disk to xen-blkback; likewise
///   {"command": "policy", "disk": ..., "on_no_space": "report"}
///                                          sets the fields of its ErrorPolicy that are named, each
///                                          a string; then as show
///   {"command": "log", "level": "debug"}   sets the level; without one, only tells it
///   {"command": "version"}                 what the daemon was built from
///
/// Disks are answered as {"ok": true, "time_ns": ..., "disks": [DiskReport...], "troubles": [...]},
/// ordered by domain and number; time_ns is a steady clock's, for rates; a problem is what is wrong
/// with more than one disk, in words. A refusal is {"ok": false, "error": "..."}.
std::string answer_control(std::string_view request, Administration& disks);

/// A refusal.
std::string control_error(std::string_view reason);

}  // namespace tapring
