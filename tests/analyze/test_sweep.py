"""From a sweep's options to its scenarios; nothing is sent."""

from pathlib import Path

import pytest

from genai_perf.analyze.parameters import PARAMETERS
from genai_perf.analyze.sweep import DEFAULT_RANGES, load_sweep, powers_of_two
from genai_perf.cli import main
from genai_perf.config.options import ANALYZE_OPTIONS, Given
from genai_perf.profile import run_name

CHAT = "analyze -m gpt2 --endpoint-type chat"
EMBEDDINGS = "analyze -m e5 --endpoint-type embeddings"


@pytest.fixture
def sweeps(monkeypatch):
    """What the command line hands on; nothing is sent."""
    calls = []
    monkeypatch.setattr("genai_perf.analyze.run.run", lambda sweep, **kinds: calls.append(sweep) or 0)
    return calls


def steps_of(line, sweeps):
    assert 0 == main(line.split())
    (sweep,) = sweeps
    return sweep.steps


POWERS = [1, 2, 4, 8, 16, 32, 64, 128, 256]
HUNDREDS = [100, 150, 200, 250, 300, 350, 400, 450, 500]


@pytest.mark.parametrize(
    ("line", "name", "expected"),
    [
        # as documented
        (f"{CHAT} --sweep-type concurrency --sweep-range 1:256", "concurrency", POWERS),
        (f"{CHAT} --sweep-type concurrency --sweep-range 8:256", "concurrency", POWERS[3:]),
        (f"{CHAT} --sweep-type request_rate --sweep-range 100:500:50", "request_rate", HUNDREDS),
        (
            f"{CHAT} --sweep-type input_sequence_length --sweep-list 100,150,200,400",
            "input_sequence_length",
            [100, 150, 200, 400],
        ),
        (
            f"{CHAT} --sweep-type num_dataset_entries --sweep-range 100:200:50",
            "num_dataset_entries",
            [100, 150, 200],
        ),
        (
            f"{CHAT} --sweep-type num_dataset_entries --sweep-range 100:300:50",
            "num_dataset_entries",
            [100, 150, 200, 250, 300],
        ),
        # GenAI-Perf's defaults
        (CHAT, "concurrency", [*POWERS, 512, 1024]),
        (f"{CHAT} --sweep-type num_dataset_entries", "num_dataset_entries", [128, 256, 512]),
        (f"{EMBEDDINGS} --sweep-type batch_size", "batch_size", POWERS[:8]),
        # powers of two inside the range, where GenAI-Perf began below it
        (
            f"{CHAT} --sweep-type input_sequence_length --sweep-range 10:100",
            "input_sequence_length",
            [16, 32, 64],
        ),
        # lists keep their order and are free of the rules for ranges
        (f"{CHAT} --sweep-range 1:3 --sweep-type request_rate", "request_rate", [1, 2]),
        (f"{CHAT} --sweep-list 12,3,7", "concurrency", [12, 3, 7]),
        (f"{CHAT} --sweep-type request_rate --sweep-list 0.5,2.0", "request_rate", [0.5, 2]),
        (f"{CHAT} --sweep-type output_sequence_length --sweep-list 8,16", "output_sequence_length", [8, 16]),
        (
            f"{CHAT} --sweep-type prefix_prompt_length --num-prefix-prompts 2 --sweep-list 0,9",
            "prefix_prompt_length",
            [0, 9],
        ),
        (f"{CHAT} --sweep-type num_prefix_prompts --sweep-list 0,4", "num_prefix_prompts", [0, 4]),
    ],
)
def test_a_sweep_has_these_values_and_every_config_its_own(line, name, expected, sweeps):
    steps = steps_of(line, sweeps)
    assert [{name: value} for value in expected] == [step.parameters for step in steps]
    section, _, field = PARAMETERS[name].partition(".")
    assert expected == [getattr(getattr(step.config, section), field) for step in steps]


def test_scenarios_have_directories_named_after_what_is_swept(sweeps):
    steps = steps_of(f"{CHAT} --sweep-type request_rate --sweep-list 16,0.5", sweeps)
    assert ["gpt2-openai-chat-request_rate16", "gpt2-openai-chat-request_rate0.5"] == [
        run_name(step.config, step.parameters) for step in steps
    ]


PRODUCT = [(1, 100), (1, 200), (2, 100), (2, 200), (4, 100), (4, 200)]


@pytest.mark.parametrize(
    "words",
    [
        "--sweep-type concurrency --sweep-range 1:4 --sweep-type input_sequence_length --sweep-list 100,200",
        "--sweep-type concurrency input_sequence_length "
        "--sweep-list input_sequence_length:100,200 --sweep-range concurrency:1:4",
    ],
)
def test_several_types_make_their_product_the_first_varying_slowest(words, sweeps):
    steps = steps_of(f"{CHAT} {words}", sweeps)
    assert PRODUCT == [tuple(step.parameters.values()) for step in steps]
    assert PRODUCT == [(step.config.concurrency, step.config.input.synthetic_tokens_mean) for step in steps]
    assert "gpt2-openai-chat-concurrency4-input_sequence_length200" == run_name(
        steps[-1].config, steps[-1].parameters
    )


def test_variables_say_the_same_and_a_flag_for_the_load_is_stronger_than_one_for_another(sweeps, monkeypatch):
    monkeypatch.setenv("GENAI_PERF_SWEEP_TYPE", "request_rate")
    monkeypatch.setenv("GENAI_PERF_SWEEP_LIST", "3,5")
    monkeypatch.setenv("GENAI_PERF_CONCURRENCY", "9")
    steps = steps_of(CHAT, sweeps)
    assert [3, 5] == [step.config.load.request_rate for step in steps]
    assert {None} == {step.config.load.concurrency for step in steps}


def test_everything_else_is_as_in_profile_also_behind_the_dashes(sweeps):
    line = f"{CHAT} --sweep-list 1,2 --streaming --warmup-request-count 3 -- -p 500"
    steps = steps_of(line, sweeps)
    assert {(True, 3, 500)} == {
        (
            step.config.endpoint.streaming,
            step.config.load.warmup_request_count,
            step.config.load.measurement_interval_ms,
        )
        for step in steps
    }


def test_where_the_checkpoint_is(sweeps):
    steps_of(f"{CHAT} --checkpoint-dir here --enable-checkpointing", sweeps)
    assert (Path("here"), True) == (
        sweeps[0].memory.checkpoint_dir,
        sweeps[0].memory.enable_checkpointing,
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--sweep-range 8", "The format of '--sweep-range' must be min:max or min:max:step."),
        ("--sweep-range 1:2:3:4", "The format of '--sweep-range' must be min:max or min:max:step."),
        ("--sweep-range 1:x", "--sweep-range: 'x' is not a whole number"),
        ("--sweep-range :8", "--sweep-range: '' is not a whole number"),
        ("--sweep-range 0:8", "--sweep-range min/max value must be positive"),
        ("--sweep-range 8:1", "--sweep-range max must be greater than min"),
        ("--sweep-range 4:4", "--sweep-range max must be greater than min"),
        ("--sweep-range 3:8", "--sweep-range min/max values must be powers of 2 when sweeping concurrency"),
        ("--sweep-range 1:8:1", "--sweep-range step is not supported when sweeping concurrency"),
        ("--sweep-type request_rate --sweep-range 1:8:0", "--sweep-range step value must be positive"),
        ("--sweep-type request_rate --sweep-range 1:8:-1", "--sweep-range step value must be positive"),
        ("--sweep-type request_rate --sweep-range 5:7", "--sweep-range: no power of two in 5:7"),
        (
            "--sweep-type request_rate --sweep-range 1:99999999:1",
            "--sweep-range: 99,999,999 scenarios are more than 10,000",
        ),
        ("--sweep-list 1,two,3", "--sweep-list: 'two' is not a whole number"),
        ("--sweep-list 1,,3", "--sweep-list: an empty value in '1,,3'"),
        ("--sweep-list 1,0", "--sweep-list: 0 is not at least 1"),
        ("--sweep-list=-1", "--sweep-list: -1 is not at least 1"),
        ("--sweep-list 2,1,2", "--sweep-list: 2 stands twice in '2,1,2'"),
        ("--sweep-type request_rate --sweep-list 0", "--sweep-list: 0 is not more than 0"),
        ("--sweep-list 1,2 --sweep-range 1:8", "--sweep-list: concurrency has its values already"),
        ("--sweep-type speed", "--sweep-type: 'speed' is not one of concurrency, request_rate, "),
        ("--sweep-type concurrency concurrency", "--sweep-type: concurrency is given twice"),
        (
            "--sweep-type concurrency request_rate",
            "--sweep-type request_rate and --sweep-type concurrency exclude each other",
        ),
        (
            "--sweep-type concurrency input_sequence_length --sweep-list 1,2",
            None,  # behind the type that stands before it
        ),
        (
            "--sweep-list 1,2 --sweep-type concurrency input_sequence_length",
            "--sweep-list: '1,2': which sweep type is it of?",
        ),
        ("--sweep-list batch_size:1,2", "--sweep-list: batch_size is not swept"),
        ("--sweep-type output_sequence_length", "--sweep-type output_sequence_length: needs --sweep-range"),
        ("--concurrency 3", "--concurrency and --sweep-type concurrency exclude each other"),
        ("--request-rate 3", "--request-rate and --sweep-type concurrency exclude each other"),
        (
            "--sweep-type input_sequence_length --isl 5",
            "--synthetic-input-tokens-mean and --sweep-type input_sequence_length exclude each other",
        ),
        ("--sweep-type batch_size", "--sweep-type batch_size has no effect with chat"),
        (
            "--sweep-type prefix_prompt_length --sweep-list 5",
            "--sweep-type prefix_prompt_length has no effect without --num-prefix-prompts",
        ),
        (
            "--sweep-type input_sequence_length --input-file FILE",
            "--sweep-type input_sequence_length has no effect with --input-file",
        ),
        (
            "--sweep-type num_dataset_entries --input-file FILE",
            "--sweep-type num_dataset_entries has no effect with chat of a file",
        ),
        ("--sweep-list 4,8 --request-count 6", "--request-count can not be less than concurrency: 6 < 8"),
        (
            "--checkpoint-dir x --no-checkpointing",
            "--checkpoint-dir and --no-checkpointing exclude each other",
        ),
        ("--checkpoint-dir FILE", "--checkpoint-dir: 'FILE' is a file"),
        ("-- --concurrency-range 1:4", "--concurrency-range cannot go with a sweep"),
        ("-- -f report.csv", "-f cannot go with a sweep"),
        ("--sweep-typ concurrency --sweep-rang 1:x", "--sweep-range: 'x' is not a whole number"),
    ],
)
def test_what_is_wrong_is_one_clear_line_before_anything_is_sent(words, message, sweeps, capsys, tmp_path):
    file = tmp_path / "prompts.jsonl"
    file.write_text('{"text": "Hello"}\n')
    code = main(f"{CHAT} {words}".replace("FILE", str(file)).split())
    seen = capsys.readouterr()
    if message is None:
        assert (0, "") == (code, seen.err)
        return
    assert (2, "", []) == (code, seen.out, sweeps)
    assert seen.err.startswith(f"error: {message.replace('FILE', str(file))}")


def test_an_endpoint_without_tokens_has_no_output_length_to_sweep(sweeps, capsys):
    line = f"{EMBEDDINGS} --sweep-type output_sequence_length --sweep-list 1,2"
    assert 2 == main(line.split())
    assert (
        "error: --sweep-type output_sequence_length has no effect with embeddings\n"
        == capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("least", "most", "expected"), [(1, 1, [1]), (3, 3, []), (1, 2, [1, 2]), (3, 17, [4, 8, 16]), (4, 4, [4])]
)
def test_powers_of_two_lie_inside_their_range(least, most, expected):
    assert expected == powers_of_two(least, most)


def test_the_help_and_the_defaults_name_what_can_be_swept():
    told = ANALYZE_OPTIONS["analyze.sweep_types"].help
    assert all(name in told for name in PARAMETERS)
    assert set(DEFAULT_RANGES) <= set(PARAMETERS)


def test_an_unknown_variable_of_a_sweep_is_told_by_its_name():
    layer = {
        "endpoint.model_names": Given(("m",), "-m"),
        "endpoint.type": Given(("chat",), "--endpoint-type"),
    }
    sweep = load_sweep(layer, (), {"GENAI_PERF_SWEEP_LISTS": "1"})
    assert (
        "GENAI_PERF_SWEEP_LISTS is no option's variable; did you mean GENAI_PERF_SWEEP_LIST?",
    ) == sweep.warnings
