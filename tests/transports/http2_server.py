"""An HTTP/2 server on the scripted one: frames by the `h2` library, answers by the script."""

from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events
import h2.settings
from server import Peer


@dataclass(slots=True)
class Stream:
    """A request on a stream of its own."""

    id: int
    headers: dict[str, str]
    body: bytes = b""
    is_complete: bool = field(default=False)


class Http2:
    """The server's side of one HTTP/2 connection."""

    def __init__(self, peer: Peer, *, most_streams: int = 100) -> None:
        self._peer = peer
        self._connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        self._connection.local_settings = h2.settings.Settings(
            client=False, initial_values={h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: most_streams}
        )
        self._connection.initiate_connection()
        self._streams: dict[int, Stream] = {}
        self._send()

    def request(self) -> Stream | None:
        """The next complete request; None when the client has closed the connection."""
        while True:
            for stream in self._streams.values():
                if stream.is_complete:
                    return self._streams.pop(stream.id)
            if not (received := self._peer.read()):
                return None
            for event in self._connection.receive_data(received):
                self._take(event)
            self._send()

    def head(self, stream: Stream, status: int = 200, **headers: str) -> None:
        """Begin an answer."""
        lines = [
            (":status", str(status)),
            *((name.replace("_", "-"), text) for name, text in headers.items()),
        ]
        self._connection.send_headers(stream.id, lines)
        self._send()

    def data(self, stream: Stream, data: bytes, *, ends: bool = False) -> None:
        """Go on with one; small enough for every window."""
        self._connection.send_data(stream.id, data, end_stream=ends)
        self._send()

    def answer(self, stream: Stream, body: bytes, status: int = 200) -> None:
        """A whole one."""
        self.head(stream, status)
        self.data(stream, body, ends=True)

    def reset(self, stream: Stream) -> None:
        """Give one up."""
        self._connection.reset_stream(stream.id, error_code=2)
        self._send()

    def go_away(self) -> None:
        """Say that the connection ends."""
        self._connection.close_connection()
        self._send()

    def _take(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RequestReceived):
            headers = {name.decode(): value.decode() for name, value in event.headers}
            self._streams[event.stream_id] = Stream(event.stream_id, headers)
        elif isinstance(event, h2.events.DataReceived):
            self._connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            self._streams[event.stream_id].body += event.data
        elif isinstance(event, h2.events.StreamEnded):
            self._streams[event.stream_id].is_complete = True

    def _send(self) -> None:
        if data := self._connection.data_to_send():
            self._peer.write(data)
