"""The log of the sampling process and the Arrow file made of it."""

import errno
import json
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from genai_perf.exceptions import ArtifactError
from genai_perf.telemetry import Sample, store
from genai_perf.telemetry.log import LOG, Log

ORIGIN_NS = 1_000


def log_of(directory: Path, answers: int = 2) -> Path:
    """One source that answers, counting, and one that fails."""
    log = Log(directory / LOG, ORIGIN_NS)
    for number in range(answers):
        at_ns = ORIGIN_NS + 100 * number
        samples = [Sample("a", {"x": "1, 2"}, float(number), "counter"), Sample("b", {}, math.nan, "gauge")]
        log.add("good", at_ns, 2_000_000_000, samples)
        log.add("bad", at_ns + 1, 5_000, [], "connection refused" if number else "no answer")
    log.close()
    return directory / LOG


def test_what_was_sampled_is_read_again(tmp_path):
    log_of(tmp_path)
    sampled = store.read(tmp_path)
    assert not (tmp_path / LOG).exists()
    assert ["at_ns", "source", "series", "type", "value"] == sampled.table.column_names
    first, second = sorted(sampled.series(), key=lambda one: one.name)
    assert ("good", "a", {"x": "1, 2"}, "counter") == (first.source, first.name, first.labels, first.type)
    assert ([0, 100], [0.0, 1.0]) == (first.at_ns.tolist(), first.value.tolist())
    assert ("b", "gauge", True) == (second.name, second.type, np.isnan(second.value).all())
    assert {"good": [(0, 2_000_000_000), (100, 2_000_000_100)]} == sampled.answered()


def test_how_asking_went_is_counted(tmp_path):
    log_of(tmp_path, answers=3)
    good, bad = (store.read(tmp_path).sources[name] for name in ("good", "bad"))
    assert (3, 0, {}) == (good.scrapes, good.failures, good.errors)
    assert (3, 3, {"no answer": 1, "connection refused": 2}) == (bad.scrapes, bad.failures, bad.errors)


def test_the_file_is_an_arrow_stream_that_anybody_reads(tmp_path):
    log_of(tmp_path)
    store.read(tmp_path)
    with pa.OSFile(str(tmp_path / store.NAME)) as file:
        table = pa.ipc.open_stream(file).read_all()
    rows = table.to_pylist()
    assert {"at_ns": 0, "source": "good", "series": 'a{x="1, 2"}', "type": "counter", "value": 0.0} in rows
    assert {
        "at_ns": 1,
        "source": "bad",
        "series": 'up{error="no answer"}',
        "type": "unknown",
        "value": 0.0,
    } in rows


def test_a_log_that_was_cut_off_anywhere_is_read_up_to_there(tmp_path):
    whole = log_of(tmp_path).read_bytes()
    rows = store.read(tmp_path).table.to_pylist()
    (tmp_path / store.NAME).unlink()
    for cut in range(0, len(whole), 7):
        (tmp_path / LOG).write_bytes(whole[:cut])
        sampled = store.read(tmp_path)
        some = sampled.table.to_pylist() if sampled is not None else []
        assert repr(rows[: len(some)]) == repr(some)
        assert not (tmp_path / LOG).exists()
        (tmp_path / store.NAME).unlink(missing_ok=True)


def test_a_torn_arrow_file_is_read_up_to_its_last_whole_batch(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "_ROWS_A_BATCH", 10)
    log_of(tmp_path, answers=50)
    rows = store.read(tmp_path).table.to_pylist()
    assert 50 * 6 == len(rows)
    path = tmp_path / store.NAME
    path.write_bytes(path.read_bytes()[:-400])
    some = store.read(tmp_path).table.to_pylist()
    assert 0 < len(some) < len(rows)
    assert repr(rows[: len(some)]) == repr(some)


def test_series_that_come_later_are_told_apart_in_every_batch(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "_ROWS_A_BATCH", 4)
    log = Log(tmp_path / LOG, 0)
    for number in range(20):
        log.add("s", number, 1, [Sample(f"n{number}", {}, float(number), "gauge")])
    log.close()
    assert {f"n{number}": [float(number)] for number in range(20)} == {
        one.name: one.value.tolist() for one in store.read(tmp_path).series()
    }


def test_where_nothing_was_sampled_nothing_is_read_or_left(tmp_path):
    assert store.read(tmp_path) is None
    Log(tmp_path / LOG, 0).close()
    assert store.read(tmp_path) is None
    assert [] == list(tmp_path.iterdir())


def test_a_file_of_somebody_else_is_refused(tmp_path):
    (tmp_path / store.NAME).write_bytes(b"no arrow")
    with pytest.raises(ArtifactError, match="not a file of samples"):
        store.read(tmp_path)


def test_a_place_that_takes_no_file_keeps_the_log(tmp_path):
    log = log_of(tmp_path)
    (tmp_path / f".{store.NAME}.part").mkdir()
    with pytest.raises(ArtifactError, match="cannot be written") as raised:
        store.read(tmp_path)
    assert "telemetry.log" in str(raised.value.hint)
    assert log.exists()


def test_a_disk_that_takes_half_of_an_answer_is_full(tmp_path, monkeypatch):
    log = Log(tmp_path / LOG, 0)
    log.add("s", 1, 1, [Sample("a", {}, 1.0)])

    class Full:
        def write(self, message):
            return len(message) // 2

        def close(self):
            pass

    log._file.close()
    log._file = Full()
    with pytest.raises(OSError, match="No space left") as raised:
        log.add("s", 2, 1, [Sample("a", {}, 1.0)])
    assert errno.ENOSPC == raised.value.errno


def test_an_error_with_any_letters_is_kept(tmp_path):
    log = Log(tmp_path / LOG, 0)
    why = 'said "no"\\ {x},\n→'
    log.add("s", 1, 1, [], why)
    log.close()
    assert {why: 1} == store.read(tmp_path).sources["s"].errors


def test_the_log_needs_nothing_heavy():
    import subprocess
    import sys

    code = (
        "import sys, json; import genai_perf.telemetry.process, genai_perf.telemetry.page; "
        "print(json.dumps(sorted({'numpy', 'pyarrow', 'httpx', 'asyncio'} & sys.modules.keys())))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert [] == json.loads(out)
