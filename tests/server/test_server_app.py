import asyncio

from server_wire import AT_ONCE, chat, request, words

from genai_perf.server.app import App
from genai_perf.server.deadlines import Deadlines
from genai_perf.server.settings import ServerSettings


async def test_the_server_does_not_need_uvloop() -> None:
    loop = asyncio.get_running_loop()
    deadlines = Deadlines(loop)
    app = App(ServerSettings(**AT_ONCE), deadlines, lambda texts: [7 for _ in texts], None)
    server = await loop.create_server(app.connection, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname(), limit=1 << 24)
    writer.write(b"".join(request(chat(max_tokens=tokens, stream=True)) for tokens in (5, 400)))
    for tokens in (5, 400):
        body = await reader.readuntil(b"0\r\n\r\n")
        assert tokens == len(words(body))
    assert {"ok": 2} == app.totals.outcomes
    writer.write(request(chat(max_tokens=1)))
    answer = await reader.readuntil(b'"usage":')
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    server.close()
    await app.close()
    deadlines.close()
    writer.close()
    assert not app.connections
