"""A proxy on the scripted server: tunnels for CONNECT, and a note of what went through."""

import select
import socket

from server import Peer, answer, head


class Proxy:
    """A script. Plain requests, which name their server in the target, it answers itself with `plain`."""

    def __init__(self, plain: bytes = b"", refusal: bytes = b"") -> None:
        self.tunnels: list[str] = []
        """Where tunnels were asked to."""
        self.credentials: list[str | None] = []
        self._plain = plain
        self._refusal = refusal

    def __call__(self, peer: Peer) -> None:
        while request := peer.request():
            self.credentials.append(request.headers.get("proxy-authorization"))
            if self._refusal:
                peer.write(self._refusal)
            elif request.method != "CONNECT":
                peer.write(answer(self._plain))
            else:
                self.tunnels.append(request.target)
                host, _, port = request.target.rpartition(":")
                with socket.create_connection((host, int(port))) as onward:
                    peer.write(head(status="200 Connection established"))
                    _relay(peer.socket, onward)
                return


def _relay(one: socket.socket, other: socket.socket) -> None:
    while True:
        for readable in select.select([one, other], [], [])[0]:
            if not (data := readable.recv(65_536)):
                return
            (other if readable is one else one).sendall(data)
