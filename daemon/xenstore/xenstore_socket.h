// SPDX-License-Identifier: MIT
// The socket of a connection to xenstored. libxenstore does not show it, nor does it tell when it
// is at its end: its watch descriptor stays silent then, and a call fails as if a key were missing.
#pragma once

#include <set>

#include "ring/unique_fd.h"

namespace tapring {

class XenstoreSocket {
 public:
  /// Throws XenstoreLost where there is a socket at which nobody listens, or nobody takes
  /// connections for 2 s: the library would try the kernel's device then, and wait there without
  /// end.
  static void require_listener();

  /// Before xs_open(). Remembers which descriptors are there.
  XenstoreSocket();

  /// After xs_close(), which may leave the library's descriptor open: it cancels the thread that
  /// reads, and that one's close() of a socket at its end is where a cancelled thread ends.
  ~XenstoreSocket();

  /// After it. Without effect where the connection goes through the kernel's device, which has no
  /// end.
  void find();

  /// -1 if there is none. A duplicate of the library's.
  int fd() const noexcept { return socket_.get(); }

  /// Readable once the other side has ended the connection; -1 if there is no socket.
  int hangup() const noexcept { return hangup_.get(); }

  /// The other side, or somebody here, has ended it.
  bool ended() const noexcept;

 private:
  std::set<int> before_;
  int library_socket_ = -1;
  UniqueFd socket_;
  UniqueFd hangup_;  ///< an epoll of that alone: other events are the library's
};

}  // namespace tapring
