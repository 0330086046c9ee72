"""A cable between browser and desk that a test pulls out: chromium's own "offline" leaves open connections alone."""

from __future__ import annotations

import contextlib
import socket
import threading


class Cable:
    """Listens on a port of its own and passes bytes on to the desk's, while it is plugged in."""

    def __init__(self, port: int) -> None:
        self.to = port
        self.whole = True
        self._open: list[socket.socket] = []
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._door.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _address = self._door.accept()
            except OSError:  # closed: the test is over
                return
            if not self.whole:
                near.close()
                continue
            far = socket.create_connection(("127.0.0.1", self.to))
            self._open += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while content := one.recv(65536):
                if not self.whole:
                    break
                other.sendall(content)
        _end(one)
        _end(other)

    def pull(self) -> None:
        """Cut every connection, let none through."""
        self.whole = False
        for one in self._open:
            _end(one)
        self._open.clear()

    def plug_in(self) -> None:
        """Let connections through again."""
        self.whole = True

    def close(self) -> None:
        """The test is over."""
        self.pull()
        self._door.close()


def _end(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
