# SPDX-License-Identifier: MIT
"""A socket before xenstored's, for one who is to lose the connection while others keep theirs."""

import contextlib
import socket
import threading


class XenstoredProxy:
    """Takes connections and hands on what comes, until it is told otherwise."""

    def __init__(self, path, target):
        self.path = path
        self.target = target
        self.listener = None
        self.pairs = []
        self.silent = False
        self.listen()

    def listen(self):
        self.path.unlink(missing_ok=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen()
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def refuse(self):
        """Ends all connections, and takes none until listen()."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.drop()

    def drop(self):
        """Ends all connections; new ones are taken."""
        pairs, self.pairs = self.pairs, []
        for pair in pairs:
            self._end(pair)

    def _accept(self, listener):
        while True:
            try:
                client = listener.accept()[0]
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            if server.connect_ex(str(self.target)) != 0:
                client.close()
                server.close()
                continue
            self.pairs.append((client, server))
            for ends in (client, server), (server, client):
                threading.Thread(target=self._hand_on, args=ends, daemon=True).start()

    @staticmethod
    def _end(pair):
        for end in pair:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _hand_on(self, source, sink):
        with contextlib.suppress(OSError):
            while True:
                data = source.recv(65536)
                if not data:
                    break
                if not self.silent:
                    sink.sendall(data)
        self._end((source, sink))
        source.close()  # the other one is the other thread's to close
