from heapq import heappop, heappush
from itertools import count

import pytest

from genai_perf.server.decoder import Decoder, Ending, Generation, Step
from genai_perf.server.latency import LatencyModel


class VirtualTime:
    """Runs steps at exactly the instants they are due, or `late_ns` after."""

    def __init__(self, late_ns: int = 0) -> None:
        self.now_ns = 0
        self._late_ns = late_ns
        self._heap: list[tuple[int, int, Step]] = []
        self._count = count()

    def at(self, due_ns: int, step: Step) -> None:
        heappush(self._heap, (due_ns, next(self._count), step))

    def run(self, until_ns: int = 10**12) -> None:
        while self._heap and self._heap[0][0] <= until_ns:
            due_ns, _, step = heappop(self._heap)
            self.now_ns = max(self.now_ns, due_ns + self._late_ns)
            next_ns = step(self.now_ns)
            if next_ns is not None:
                self.at(next_ns, step)
        self.now_ns = max(self.now_ns, until_ns if until_ns < 10**12 else 0)


class Sent:
    """A generation, and what became of it."""

    def __init__(self, tokens: int, input_tokens: int = 0, cut_at: int = -1) -> None:
        self.data: list[bytes] = []
        self.ending: Ending | None = None
        self.generation = Generation(
            frame=lambda index: b"<%d>" % index,
            tokens=tokens,
            input_tokens=input_tokens,
            write=self.data.append,
            ended=self._ended,
            cut_at=cut_at,
        )

    def _ended(self, generation: Generation, ending: Ending, now_ns: int) -> None:
        self.ending = ending

    @property
    def sent_ns(self) -> list[int]:
        return self.generation.sent_ns


def test_a_lone_request_gets_its_tokens_when_the_model_says() -> None:
    time = VirtualTime()
    decoder = Decoder(LatencyModel(1000, 2, 100, 10), 8, time.at)
    sent = Sent(tokens=3, input_tokens=50)
    decoder.submit(sent.generation, 5)
    time.run()
    assert [1105, 1205, 1305] == sent.sent_ns
    assert [b"<0>", b"<1>", b"<2>"] == sent.data
    assert Ending.OK is sent.ending
    assert 5 == sent.generation.admitted_ns


def test_requests_that_are_decoded_together_slow_each_other_down() -> None:
    time = VirtualTime()
    decoder = Decoder(LatencyModel(1000, 0, 100, 10), 8, time.at)
    first, second = Sent(tokens=3), Sent(tokens=2)
    decoder.submit(first.generation, 0)
    decoder.submit(second.generation, 0)
    time.run()
    assert [1000, 1110] == second.sent_ns
    # at 1110 the first is served first, while the second still has its place
    assert [1000, 1110, 1220] == first.sent_ns


def test_beyond_the_places_requests_wait_in_order_and_start_when_a_place_is_due_to_be_free() -> None:
    time = VirtualTime(late_ns=40)
    decoder = Decoder(LatencyModel(1000, 0, 100, 0), 1, time.at)
    sents = [Sent(tokens=2) for _ in range(3)]
    for arrival_ns, sent in enumerate(sents):
        decoder.submit(sent.generation, arrival_ns)
    time.run()
    assert [0, 1100, 2200] == [sent.generation.admitted_ns for sent in sents]
    assert [1040, 1140] == sents[0].sent_ns
    # 40 ns late in every step, and still 40 ns late after five of them
    assert [3240, 3340] == sents[2].sent_ns


def test_nobody_is_admitted_before_coming() -> None:
    time = VirtualTime(late_ns=500)
    decoder = Decoder(LatencyModel(1000, 0, 0, 0), 1, time.at)
    first, second = Sent(tokens=1), Sent(tokens=1)
    decoder.submit(first.generation, 0)
    decoder.submit(second.generation, 1300)  # the place was due to be free at 1000, and is so at 1500
    time.run()
    assert 1300 == second.generation.admitted_ns


def test_who_goes_away_gives_the_place_to_the_next() -> None:
    time = VirtualTime()
    decoder = Decoder(LatencyModel(1000, 0, 100, 0), 1, time.at)
    going, waiting, staying = (Sent(tokens=5) for _ in range(3))
    for sent in (going, waiting, staying):
        decoder.submit(sent.generation, 0)
    time.run(until_ns=1250)
    decoder.cancel(waiting.generation, 1250)
    decoder.cancel(going.generation, 1250)
    decoder.cancel(going.generation, 1250)
    time.run()
    assert [1000, 1100, 1200] == going.sent_ns
    assert [] == waiting.sent_ns
    assert [2250, 2350, 2450, 2550, 2650] == staying.sent_ns
    assert going.ending is None


def test_an_answer_that_is_cut_ends_with_a_part_of_a_token_and_frees_its_place() -> None:
    time = VirtualTime()
    decoder = Decoder(LatencyModel(1000, 0, 100, 0), 1, time.at)
    cut, following = Sent(tokens=5, cut_at=2), Sent(tokens=1)
    decoder.submit(cut.generation, 0)
    decoder.submit(following.generation, 0)
    time.run()
    assert [b"<0>", b"<1>", b"<"] == cut.data
    assert [1000, 1100] == cut.sent_ns
    assert Ending.CUT is cut.ending
    assert [2200] == following.sent_ns


def test_without_any_gap_everybody_gets_a_token_in_turn() -> None:
    order: list[str] = []
    time = VirtualTime(late_ns=1)
    decoder = Decoder(LatencyModel(0), 8, time.at)
    for name in "ab":
        sent = Sent(tokens=3)
        sent.generation.write = lambda data, name=name: order.append(name)  # type: ignore[misc]
        decoder.submit(sent.generation, 0)
    time.run()
    assert "ababab" == "".join(order)


@pytest.mark.parametrize("requests", [1, 4, 16, 64])
def test_throughput_grows_up_to_the_places_and_then_latency_does(requests: int) -> None:
    places, tokens, ttft_ns, itl_ns = 8, 10, 1000, 100
    time = VirtualTime()
    decoder = Decoder(LatencyModel(ttft_ns, 0, itl_ns, 0), places, time.at)
    sents = [Sent(tokens) for _ in range(requests)]
    for sent in sents:
        decoder.submit(sent.generation, 0)
    time.run()
    alone_ns = ttft_ns + (tokens - 1) * itl_ns
    rounds = -(-requests // places)
    assert rounds * alone_ns == max(sent.sent_ns[-1] for sent in sents)
    assert requests * tokens == decoder.steps
