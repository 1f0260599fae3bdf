"""The journal: what is written comes back, also from a torn file, and nothing foreign is taken for one."""

import subprocess
import sys
from dataclasses import asdict
from itertools import accumulate
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from journal_rows import info
from records import record

from genai_perf.engine import journal
from genai_perf.engine.journal import ROWS_PER_BATCH, SCHEMA, TOKENS_PER_BATCH, Journal, read
from genai_perf.exceptions import ArtifactError
from genai_perf.types import Phase, RequestError, RequestRecord, Stamp, Usage

INT32_MAX = 2**31 - 1


def as_row(record):
    """What the journal says of a record, from its documentation."""
    row = msgspec.structs.asdict(record)
    usage, error = row.pop("usage") or Usage(), row.pop("error")
    row |= {f"usage_{name}": count for name, count in asdict(usage).items()}
    row |= {"error_kind": error and error.kind, "error_message": error and error.message}
    for name, value in row.items():
        if isinstance(value, str):
            row[name] = str(value).encode("utf-8", "replace").decode()
        elif pa.types.is_list(SCHEMA.field(name).type) and SCHEMA.field(name).type.value_type == pa.int32():
            row[name] = [min(item, INT32_MAX) for item in value]
    return row


def write(path, *batches, run=None):
    """A journal of these batches; the file's size after each (the first is that of the head)."""
    written = Journal(path, run or info())
    sizes = [path.stat().st_size]
    for batch in batches:
        for each in batch:
            written.append(each)
        written.flush()
        sizes.append(path.stat().st_size)
    written.close()
    return sizes


# -- round trip -------------------------------------------------------------------------------------

INT64 = st.integers(0, 2**63 - 1)
TEXT = st.text(max_size=8) | st.sampled_from(["", "\ud800", "a\udfffb", "\x00", "😀", "\u2028"])
RECORDS = st.builds(
    RequestRecord,
    index=INT64,
    input_index=INT64,
    conversation=TEXT,
    turn=st.integers(0, INT32_MAX),
    model=TEXT,
    url=TEXT,
    phase=st.sampled_from(Phase),
    due_ns=st.none() | INT64,
    start_ns=INT64,
    sent_ns=INT64,
    end_ns=INT64,
    dns_ns=st.none() | INT64,
    connect_ns=st.none() | INT64,
    tls_ns=st.none() | INT64,
    headers_ns=st.none() | INT64,
    first_byte_ns=st.none() | INT64,
    status=st.integers(0, 999),
    stamp=st.sampled_from(Stamp),
    content_ns=st.lists(INT64, max_size=4),
    content_chars=st.lists(st.integers(0, INT32_MAX), max_size=4),
    content_lag_ns=st.lists(st.integers(-1_000, 10**12), max_size=4),
    content_slack_ns=st.lists(INT64, max_size=4),
    reasoning_ns=st.lists(INT64, max_size=2),
    reasoning_chars=st.lists(st.integers(0, INT32_MAX), max_size=2),
    tool_ns=st.lists(INT64, max_size=2),
    tool_chars=st.lists(st.integers(0, INT32_MAX), max_size=2),
    text=TEXT,
    reasoning_text=TEXT,
    tool_text=TEXT,
    finish_reason=st.none() | TEXT,
    input_tokens=st.none() | INT64,
    images=st.integers(0, INT32_MAX),
    request_bytes=INT64,
    response_bytes=INT64,
    usage=st.none() | st.builds(Usage, *[st.none() | INT64] * 4),
    error=st.none() | st.builds(RequestError, TEXT, TEXT),
)


@given(st.lists(st.lists(RECORDS, max_size=6), max_size=3))
def test_every_record_comes_back_as_it_was(tmp_path_factory, batches):
    path = tmp_path_factory.mktemp("journal") / "records.arrows"
    write(path, *batches)
    run, table = read(path)
    assert info() == run
    assert SCHEMA == table.schema
    table.validate(full=True)
    assert [as_row(each) for batch in batches for each in batch] == table.to_pylist()


@pytest.mark.parametrize("rows", [1, 2, 7, 8, 9, 64, 65])
def test_what_is_unknown_stays_unknown_at_every_place_of_a_batch(tmp_path, rows):
    batches = [
        [
            record(row, due_ns=[row, None][row == lone], finish_reason=[None, "stop"][row == lone])
            for row in range(rows)
        ]
        for lone in range(rows)
    ]
    write(tmp_path / "j", *batches)
    assert [as_row(each) for batch in batches for each in batch] == read(tmp_path / "j")[1].to_pylist()


def test_a_lone_surrogate_costs_one_character_and_leaves_lengths_alone(tmp_path):
    write(tmp_path / "j", [record(text="a\ud83db", content_chars=[1, 2])])
    (row,) = read(tmp_path / "j")[1].to_pylist()
    assert ("a?b", [1, 2]) == (row["text"], row["content_chars"])


def test_more_than_two_seconds_of_lag_or_slack_are_all_the_same(tmp_path):
    lags = [INT32_MAX - 1, INT32_MAX, INT32_MAX + 1, 600 * 10**9]
    write(tmp_path / "j", [record(content_lag_ns=lags, content_slack_ns=lags, content_ns=lags)])
    (row,) = read(tmp_path / "j")[1].to_pylist()
    expected = [INT32_MAX - 1, INT32_MAX, INT32_MAX, INT32_MAX]
    assert (expected, expected, lags) == (row["content_lag_ns"], row["content_slack_ns"], row["content_ns"])


def test_there_is_a_column_for_every_field_of_a_record_in_its_order():
    *fields, usage, error = RequestRecord.__struct_fields__
    spread = [*(f"{usage}_{name}" for name in Usage.__slots__), f"{error}_kind", f"{error}_message"]
    assert [*fields, *spread] == SCHEMA.names


def test_a_journal_from_before_images_were_counted_does_not_know_how_many(tmp_path):
    path = tmp_path / "j"
    write(path, [record(0, images=2), record(1)])
    with pa.OSFile(str(path)) as file:
        reader = pa.ipc.open_stream(file)
        old = pa.schema([field for field in SCHEMA if field.name != "images"], reader.schema.metadata)
        batches = [batch.select(old.names).replace_schema_metadata(old.metadata) for batch in reader]
    path.write_bytes(stream(old, batches))
    assert [None, None] == read(path)[1]["images"].to_pylist()


def test_a_journal_without_records_is_one(tmp_path):
    write(tmp_path / "j")
    assert (info(), 0) == (read(tmp_path / "j")[0], len(read(tmp_path / "j")[1]))


def test_the_run_is_told_in_the_file_itself(tmp_path):
    run = info(command="genai-perf 'Grüße' \u2028", config={"load": {"concurrency": 3, "request_rate": None}})
    write(tmp_path / "j", run=run)
    assert run == read(tmp_path / "j")[0]


def test_other_programs_read_it(tmp_path):
    write(tmp_path / "j", [record(7, content_ns=[1, 2])])
    with pa.OSFile(str(tmp_path / "j")) as file:
        table = pa.ipc.open_stream(file).read_all()
    assert (7, [1, 2]) == (table["index"][0].as_py(), table["content_ns"][0].as_py())


# -- when it is on disk -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param([record()] * (ROWS_PER_BATCH - 1), False, id="not yet"),
        pytest.param([record()] * ROWS_PER_BATCH, True, id="enough rows"),
        pytest.param([record(content_ns=[0] * TOKENS_PER_BATCH)], True, id="enough tokens"),
    ],
)
def test_a_batch_is_full_when_writing_it_takes_a_millisecond(tmp_path, made, expected):
    written = Journal(tmp_path / "j", info())
    for each in made:
        assert not written.is_full
        written.append(each)
    assert expected == written.is_full
    written.flush()
    assert not written.is_full
    assert len(made) == len(read(tmp_path / "j")[1])
    written.close()


def test_what_comes_while_a_batch_is_written_goes_into_the_next(tmp_path):
    written = Journal(tmp_path / "j", info())
    written.append(record(index=1))
    writing = written.writing()
    next(writing)
    written.append(record(index=2))
    for _ in writing:
        pass
    assert [1] == read(tmp_path / "j")[1]["index"].to_pylist()
    written.close()
    assert [1, 2] == read(tmp_path / "j")[1]["index"].to_pylist()


def test_flushing_nothing_writes_nothing(tmp_path):
    written = Journal(tmp_path / "j", info())
    before = (tmp_path / "j").stat().st_size
    written.flush()
    assert before == (tmp_path / "j").stat().st_size
    written.close()


# -- torn and foreign -------------------------------------------------------------------------------


def test_a_torn_file_gives_every_batch_that_is_whole(tmp_path):
    path = tmp_path / "j"
    batches = [[record(3 * batch + row, text="x" * row) for row in range(3)] for batch in range(4)]
    sizes = write(path, *batches)
    content = path.read_bytes()
    rows_at = dict(zip(sizes, accumulate([0, 3, 3, 3, 3]), strict=True))
    last, end = sizes[-2], len(content)
    byte_by_byte = (*range(last - 50, last + 150), *range(end - 150, end + 1))
    around = (each for size in sizes[1:] for each in (size - 1, size))
    for length in sorted({*byte_by_byte, *range(last, end, 23), *range(sizes[0], last, 297), *around}):
        path.write_bytes(content[:length])
        run, table = read(path)
        whole = max(rows for size, rows in rows_at.items() if size <= length)
        assert list(range(whole)) == table["index"].to_pylist(), length
        assert info() == run


def test_a_file_that_ends_in_its_head_has_nothing_to_give(tmp_path):
    path = tmp_path / "j"
    (head,) = write(path)
    content = path.read_bytes()
    for length in (0, 1, 3, 4, 7, 8, 9, 100, head // 2, head - 1):
        path.write_bytes(content[:length])
        with pytest.raises(ArtifactError, match="not a journal of this program"):
            read(path)


def stream(schema, batches=()):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


ELSEWHERE = pa.schema({"index": pa.string()})
OUR_KEY = {journal._INFO_KEY: b'{"version": "0"}'}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"PK\x03\x04" + bytes(100), id="a zip file"),
        pytest.param(b'{"requests": []}', id="JSON"),
        pytest.param(bytes(4096), id="zeros"),
        pytest.param(b"\xff" * 4096, id="ones"),
        pytest.param(b"ARROW1\x00\x00" + bytes(100), id="an Arrow file, not a stream"),
        pytest.param(stream(ELSEWHERE), id="an Arrow stream without our metadata"),
        pytest.param(stream(ELSEWHERE.with_metadata(OUR_KEY)), id="half of our metadata"),
        pytest.param(stream(ELSEWHERE.with_metadata({journal._INFO_KEY: b"{"})), id="torn metadata"),
    ],
)
def test_a_foreign_file_is_no_journal(tmp_path, content):
    path = tmp_path / "records.arrows"
    path.write_bytes(content)
    with pytest.raises(ArtifactError) as refused:
        read(path)
    assert refused.value.message.startswith(f"{path}: not a journal of this program: ")
    assert "\n" not in refused.value.message


def test_a_journal_with_other_columns_is_refused(tmp_path):
    path = tmp_path / "j"
    write(path)
    with pa.OSFile(str(path)) as file:
        metadata = pa.ipc.open_stream(file).schema.metadata
    schema = ELSEWHERE.with_metadata(metadata)
    path.write_bytes(stream(schema, [pa.RecordBatch.from_pylist([{"index": "0"}], schema=schema)]))
    with pytest.raises(ArtifactError, match="not a journal of this program"):
        read(path)


def test_a_journal_from_before_there_were_tool_calls_is_read_as_without(tmp_path):
    path = tmp_path / "j"
    write(path, [record(0, content_ns=[3, 4]), record(1)], [record(2, text="a")])
    with pa.OSFile(str(path)) as file:
        reader = pa.ipc.open_stream(file)
        old = [place for place, name in enumerate(SCHEMA.names) if not name.startswith("tool_")]
        schema = pa.schema([SCHEMA.field(place) for place in old], reader.schema.metadata)
        batches = [
            pa.RecordBatch.from_arrays([batch.column(place) for place in old], schema=schema)
            for batch in reader
        ]
    path.write_bytes(stream(schema, batches))
    _, table = read(path)
    table.validate(full=True)
    assert SCHEMA == table.schema
    assert [
        as_row(record(0, content_ns=[3, 4])),
        as_row(record(1)),
        as_row(record(2, text="a")),
    ] == table.to_pylist()
    path.write_bytes(stream(schema, []))
    assert 0 == len(read(path)[1])


def test_a_journal_that_is_not_there_is_told_with_what_to_give(tmp_path):
    with pytest.raises(ArtifactError) as refused:
        read(tmp_path / "j")
    assert f"{tmp_path / 'j'}: no such file" == refused.value.message
    assert "give the directory that a run has written" == refused.value.hint
    with pytest.raises(ArtifactError, match="not a journal"):
        read(tmp_path)


# -- a disk that takes no more ----------------------------------------------------------------------


def test_a_file_that_cannot_be_opened_is_an_error(tmp_path):
    for path, reason in ((tmp_path / "no" / "j", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(ArtifactError) as refused:
            Journal(path, info())
        assert f"{path}: cannot be written: {reason}" == refused.value.message


def test_a_disk_that_is_full_from_the_beginning_is_an_error():
    with pytest.raises(ArtifactError) as refused:
        Journal(Path("/dev/full"), info())
    assert "/dev/full: cannot be written: No space left on device" == refused.value.message
    assert "--artifact-dir names another place" == refused.value.hint


WRITE_UNTIL_FULL = """
import resource, sys
from pathlib import Path
sys.path[:0] = sys.argv[1].split(":")
from journal_rows import info
from records import record
from genai_perf.engine.journal import Journal
from genai_perf.exceptions import ArtifactError

resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
journal = Journal(Path(sys.argv[2]), info())
try:
    for index in range(100_000):
        journal.append(record(index, text="x" * 100))
        if index % 10 == 9:
            journal.flush()
except ArtifactError as exc:
    print(index, exc.message, exc.hint, sep="|")
if sys.argv[4] == "room":
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
journal.close()
"""


@pytest.mark.parametrize(
    ("limit", "afterwards"), [(20_000, "no room"), (33_333, "no room"), (33_333, "room"), (100_000, "room")]
)
def test_a_disk_that_fills_up_costs_no_record_that_was_written_before(tmp_path, limit, afterwards):
    path = tmp_path / "j"
    here = Path(__file__).parent
    given = [f"{here}:{here.parent}", str(path), str(limit), afterwards]
    seen = subprocess.run(
        [sys.executable, "-W", "error", "-c", WRITE_UNTIL_FULL, *given],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (0, "") == (seen.returncode, seen.stderr)
    last, message, hint = seen.stdout.strip().split("|")
    assert f"{path}: cannot be written: File too large" == message
    assert "what was written before is whole; `genai-perf report` reads it" == hint
    assert list(range(int(last) + 1 - 10)) == read(path)[1]["index"].to_pylist()


# -- what it costs ----------------------------------------------------------------------------------


def test_writing_and_reading_import_no_pandas(tmp_path):
    here = Path(__file__).parent
    program = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[1].split(":")
from genai_perf.engine.journal import Journal, read
from genai_perf.types import *
from journal_rows import info
import msgspec
record = msgspec.convert(eval(sys.argv[3]), RequestRecord)
journal = Journal(Path(sys.argv[2]), info())
journal.append(record)
journal.append(msgspec.structs.replace(record, due_ns=5, text="x", error=RequestError("a", "b")))
journal.close()
read(Path(sys.argv[2]))
print("pandas" in sys.modules)
"""
    fields = repr(msgspec.to_builtins(record(content_ns=[1], content_chars=[1])))
    seen = subprocess.run(
        [sys.executable, "-c", program, f"{here}:{here.parent}", str(tmp_path / "j"), fields],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "False\n" == seen.stdout
