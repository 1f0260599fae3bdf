"""The reference: the least that an asyncio client can do.

An `asyncio.Protocol` on uvloop that feeds httptools and stores stamp and bytes, nothing else: no records, no
decoding, no kernel stamps, no coroutines. Each connection sends the same request again when its answer is
complete. Prints one line of JSON.

    python bare.py PORT CONNECTIONS TOKENS SECONDS BODY_BYTES
"""

import asyncio
import json
import sys
import time

import httptools
import uvloop


class Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, wire: bytes, until: float, done: asyncio.Semaphore) -> None:
        self.wire = wire
        self.until = until
        self.done = done
        self.answers = 0
        self.reads = 0
        self.now_ns = 0
        self.record: list[tuple[int, bytes]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.send()

    def send(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.record = []
        self.transport.write(self.wire)

    def data_received(self, data: bytes) -> None:
        self.reads += 1
        self.now_ns = time.perf_counter_ns()
        self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self.record.append((self.now_ns, body))

    def on_message_complete(self) -> None:
        self.answers += 1
        if time.perf_counter() < self.until:
            self.send()
        else:
            self.transport.close()
            self.done.release()


async def main(port: int, connections: int, tokens: int, seconds: float, body_bytes: int) -> None:
    frame = {
        "model": "gpt2",
        "messages": [{"role": "user", "content": ""}],
        "stream": True,
        "max_tokens": tokens,
    }
    frame["messages"][0]["content"] = "x" * (body_bytes - len(json.dumps(frame)))
    body = json.dumps(frame, separators=(",", ":")).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: bare\r\n"
        f"Accept: text/event-stream\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    done = asyncio.Semaphore(0)
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    clients = []
    for _ in range(connections):
        _, client = await loop.create_connection(
            lambda: Client(head.encode() + body, started + seconds, done), "127.0.0.1", port
        )
        clients.append(client)
    for _ in clients:
        await done.acquire()
    elapsed_s = time.perf_counter() - started
    answers = sum(client.answers for client in clients)
    reads = sum(client.reads for client in clients)
    print(
        json.dumps(
            {
                "requests_per_s": answers / elapsed_s,
                "tokens_per_s": answers * tokens / elapsed_s,
                "reads_per_s": reads / elapsed_s,
            }
        )
    )


if __name__ == "__main__":
    uvloop.run(main(*map(int, sys.argv[1:4]), float(sys.argv[4]), int(sys.argv[5])))
