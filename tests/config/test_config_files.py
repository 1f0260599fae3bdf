"""Config files: every key, what they come to, and every way to be wrong."""

import pytest

from genai_perf.analyze.parameters import PARAMETERS
from genai_perf.analyze.sweep import load_sweep
from genai_perf.config import keys, yaml_file
from genai_perf.config.load import load
from genai_perf.config.options import ANALYZE_OPTIONS, CHECKPOINT_OPTIONS, OPTIONS, PROCESS_OPTIONS, Given
from genai_perf.exceptions import UsageError


@pytest.fixture
def read(tmp_path):
    """The file of this text, as it is read."""

    def read(text):
        path = tmp_path / "perf.yaml"
        path.write_text(text, encoding="utf-8")
        return yaml_file.read(path, PARAMETERS)

    return read


@pytest.fixture
def config_of(read):
    """The config of a run with this file, some flags and some variables."""

    def config_of(text, flags=None, environ=None):
        return load(flags or {}, [], environ or {}, read(text).layer).config

    return config_of


def value_of(config, key):
    section, _, name = key.partition(".")
    return getattr(getattr(config, section), name)


def nested(path, value):
    """A file with this one key."""
    *sections, key = path.split(".")
    lines = [f"{'  ' * depth}{section}:" for depth, section in enumerate(sections)]
    return "\n".join([*lines, f"{'  ' * len(sections)}{key}: {value}"])


BASE = "model_names: m\nendpoint: {type: chat}\n"

PUBLISHED = [
    # key, as it is written, option, value
    ("model_name", "gpt2", "endpoint.model_names", ("gpt2",)),
    ("model_names", "gpt2", "endpoint.model_names", ("gpt2",)),
    ("model_names", "a, b,c", "endpoint.model_names", ("a", "b", "c")),
    ("model_names", "[a, b]", "endpoint.model_names", ("a", "b")),
    ("endpoint.model_selection_strategy", "random", "endpoint.model_selection_strategy", "random"),
    ("endpoint.backend", "vllm", "endpoint.backend", "vllm"),
    ("endpoint.custom", "/v1/other", "endpoint.path", "v1/other"),
    ("endpoint.type", "chat", "endpoint.type", "chat"),
    ("endpoint.streaming", "True", "endpoint.streaming", True),
    (
        "endpoint.server_metrics_url",
        "http://h:1/metrics",
        "telemetry.server_metrics_urls",
        ("http://h:1/metrics",),
    ),
    (
        "endpoint.server_metrics_urls",
        "http://h:1/m, http://h:2/m",
        "telemetry.server_metrics_urls",
        ("http://h:1/m", "http://h:2/m"),
    ),
    ("endpoint.server_metrics_urls", "[http://h:1/m]", "telemetry.server_metrics_urls", ("http://h:1/m",)),
    ("endpoint.url", "localhost:9000", "endpoint.urls", ("localhost:9000",)),
    ("endpoint.url", "[a:1, b:2]", "endpoint.urls", ("a:1", "b:2")),
    ("endpoint.grpc_method", "pkg.Service/Call", "endpoint.grpc_method", "pkg.Service/Call"),
    ("endpoint.service_kind", "openai", "endpoint.service_kind", "openai"),
    ("perf_analyzer.verbose", "True", "output.verbose", True),
    ("perf_analyzer.stimulus", "{'concurrency': 8}", "load.concurrency", 8),
    ("perf_analyzer.stimulus", "{request_rate: 2.5}", "load.request_rate", 2.5),
    ("perf_analyzer.stimulus", "{session_concurrency: 3}", "load.session_concurrency", 3),
    ("perf_analyzer.stimulus", "{session_request_rate: 3}", "load.session_rate", 3.0),
    ("perf_analyzer.stimulus", "fixed_schedule", "load.fixed_schedule", True),
    ("perf_analyzer.stability_percentage", "50", "load.stability_percentage", 50.0),
    ("perf_analyzer.warmup_request_count", "4", "load.warmup_request_count", 4),
    ("perf_analyzer.measurement", "{mode: request_count, num: 40}", "load.request_count", 40),
    ("perf_analyzer.measurement", "{num: 40}", "load.request_count", 40),
    ("perf_analyzer.measurement", "{mode: interval, num: 500}", "load.measurement_interval_ms", 500),
    ("perf_analyzer.measurement", "{mode: interval}", "load.measurement_interval_ms", 10_000),
    ("perf_analyzer.measurement", "{mode: interval, num: 10000}", "load.measurement_interval_ms", 10_000),
    ("perf_analyzer.measurement_interval", "5000", "load.measurement_interval_ms", 5000),
    ("perf_analyzer.request_count", "{num: 12, warmup: 0}", "load.request_count", 12),
    ("perf_analyzer.request_count.warmup", "2", "load.warmup_request_count", 2),
    ("input.batch_size", "2", "input.batch_size", 2),
    (
        "input.extra",
        "{max_tokens: 5, nested: {a: [1, 2.5]}, on: true, none: null}",
        "input.extra",
        {"max_tokens": 5, "nested": {"a": [1, 2.5]}, "True": True, "none": None},
    ),
    ("input.extra", "max_tokens:5", "input.extra", {"max_tokens": 5}),
    (
        "input.goodput",
        "{time_to_first_token: 75, request_latency: 0.5}",
        "metrics.goodput",
        {"time_to_first_token": 75.0, "request_latency": 0.5},
    ),
    (
        "input.goodput",
        "time_to_first_token:75 request_latency:2",
        "metrics.goodput",
        {"time_to_first_token": 75.0, "request_latency": 2.0},
    ),
    ("input.goodput", "['time_to_first_token:75']", "metrics.goodput", {"time_to_first_token": 75.0}),
    ("input.header", "'Accept: a, b'", "endpoint.headers", ("Accept: a, b",)),
    (
        "input.header",
        "['Authorization: Bearer x', 'Accept: a']",
        "endpoint.headers",
        ("Authorization: Bearer x", "Accept: a"),
    ),
    ("input.file", "synthetic:queries,passages", "input.file", "synthetic:queries,passages"),
    ("input.num_dataset_entries", "7", "input.num_dataset_entries", 7),
    ("input.random_seed", "3", "input.random_seed", 3),
    ("input.audio.batch_size", "2", "audio.batch_size", 2),
    ("input.audio.format", "mp3", "audio.format", "mp3"),
    ("input.audio.depths", "8, 16", "audio.depths", (8, 16)),
    ("input.audio.depths", "[8, 16]", "audio.depths", (8, 16)),
    ("input.audio.depths", "24", "audio.depths", (24,)),
    ("input.audio.sample_rates", "44.1, 48", "audio.sample_rates_khz", (44.1, 48.0)),
    ("input.audio.num_channels", "2", "audio.num_channels", 2),
    ("input.audio.length", "{mean: 2, stddev: 0.5}", "audio.length_stddev_s", 0.5),
    ("input.image.batch_size", "2", "image.batch_size", 2),
    ("input.image.format", "jpeg", "image.format", "jpeg"),
    ("input.image.width.mean", "64", "image.width_mean", 64),
    ("input.image.width.stddev", "6", "image.width_stddev", 6),
    ("input.image.height.mean", "48", "image.height_mean", 48),
    ("input.image.height.stddev", "4", "image.height_stddev", 4),
    ("input.output_tokens.mean", "30", "input.output_tokens_mean", 30),
    ("input.output_tokens.deterministic", "True", "input.output_tokens_deterministic", True),
    ("input.output_tokens.stddev", "3", "input.output_tokens_stddev", 3),
    ("input.synthetic_tokens.mean", "40", "input.synthetic_tokens_mean", 40),
    ("input.synthetic_tokens.stddev", "4", "input.synthetic_tokens_stddev", 4),
    ("input.prefix_prompt.num", "2", "input.prefix_prompt_num", 2),
    ("input.prefix_prompt.length", "20", "input.prefix_prompt_length", 20),
    ("input.sessions.num", "5", "input.num_sessions", 5),
    ("input.sessions.turns.mean", "3", "input.session_turns_mean", 3),
    ("input.sessions.turns.stddev", "2", "input.session_turns_stddev", 2),
    ("input.sessions.turn_delay.mean", "30", "input.session_turn_delay_mean", 30),
    ("input.sessions.turn_delay.ratio", "0.5", "input.session_delay_ratio", 0.5),
    ("input.sessions.turn_delay.stddev", "3", "input.session_turn_delay_stddev", 3),
    ("tokenizer.name", "builtin", "tokenizer.name", "builtin"),
    ("tokenizer.revision", "v1", "tokenizer.revision", "v1"),
    ("tokenizer.trust_remote_code", "True", "tokenizer.trust_remote_code", True),
    ("output.profile_export_file", "x.json", "output.profile_export_file", "x.json"),
    ("output.generate_plots", "True", "output.generate_plots", True),
]


@pytest.mark.parametrize(("key", "written", "option", "expected"), PUBLISHED)
def test_every_key_of_genai_perf_sets_its_option(key, written, option, expected, read):
    from genai_perf.config.load import build

    assert expected == value_of(build(read(nested(key, written)).layer), option)


def test_every_published_key_is_in_the_table_above_or_tested_by_itself():
    tested = {keys.ALIASES.get(key, key) for key, *_ in PUBLISHED}
    elsewhere = ("perf_analyzer.path", "output.artifact_directory", "process.input_path")
    elsewhere += ("output.checkpoint_directory", "output.enable_checkpointing")
    for path, leaf in keys.LEAVES.items():
        if not leaf.is_ours and path not in elsewhere and not path.endswith(("_schedule", "_intervals")):
            assert any(path.startswith(key) for key in tested), path


def test_every_option_has_one_key():
    options = {**OPTIONS, **CHECKPOINT_OPTIONS, **PROCESS_OPTIONS}
    assert set(options) == set(keys.PATHS)
    assert len(keys.LEAVES) == len(set(keys.LEAVES))


def test_further_options_stand_under_their_section_and_field(read):
    text = "telemetry: {gpu: off, interval_s: 0.5}\nload: {duration_s: 3}\ninput: {session_history: file}"
    layer = read(text).layer
    assert {
        "telemetry.gpu": ("off",),
        "telemetry.interval_s": ("0.5",),
        "load.duration_s": ("3",),
        "input.session_history": ("file",),
    } == {key: given.texts for key, given in layer.items()}


def test_paths_of_perf_analyzer_and_empty_keys_are_nothing(read):
    assert {} == read("perf_analyzer: {path: /opt/perf_analyzer, stimulus: , measurement: }\ninput:").layer
    assert {} == read("input: {extra: {}, goodput: '', header: []}\nanalyze:\nprocess:").layer
    assert {} == read("").layer


def test_a_value_that_is_the_default_is_nobodys_choice(config_of):
    """Or what a template says anyway would be told to be without effect, or to lack another option."""
    text = BASE + "input: {sessions: {turns: {mean: 1}}, prefix_prompt: {length: 100}}"
    assert 100 == config_of(text).input.prefix_prompt_length


# -- one of several -------------------------------------------------------------------------------------


def test_the_environment_goes_over_the_file_and_flags_over_both(config_of):
    text = BASE + "input: {random_seed: 1, num_dataset_entries: 1, batch_size: 1}\ntokenizer: {name: a}"
    flags = {"input.random_seed": Given(("3",), "--random-seed")}
    config = config_of(text, flags, {"GENAI_PERF_RANDOM_SEED": "2", "GENAI_PERF_NUM_PROMPTS": "2"})
    assert (3, 2, "a") == (config.input.random_seed, config.input.num_dataset_entries, config.tokenizer.name)


@pytest.mark.parametrize("by", ["flag", "variable"])
def test_another_load_replaces_the_whole_stimulus(by, config_of):
    text = BASE + "perf_analyzer: {stimulus: {concurrency: 8}, measurement: {mode: interval, num: 100}}"
    rate, count = (
        {"load.request_rate": Given(("5",), "--request-rate")},
        {"load.request_count": Given(("9",), "")},
    )
    if by == "flag":
        load = config_of(text, {**rate, **count}).load
    else:
        load = config_of(text, {}, {"GENAI_PERF_REQUEST_RATE": "5", "GENAI_PERF_REQUEST_COUNT": "9"}).load
    assert (None, 5.0, None, 9) == (
        load.concurrency,
        load.request_rate,
        load.measurement_interval_ms,
        load.request_count,
    )


def test_extra_inputs_replace_the_whole_mapping(config_of):
    flags = {"input.extra": Given(("b:2",), "--extra-inputs")}
    assert {"b": 2} == config_of(BASE + "input: {extra: {a: 1}}", flags).input.extra


# -- sweeps ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "parameter", "expected"),
    [
        ("{concurrency: {start: 2, stop: 8}}", "concurrency", [2, 4, 8]),
        ("{concurrency: [1, 3]}", "concurrency", [1, 3]),
        ("{concurrency: '1,3'}", "concurrency", [1, 3]),
        ("{sweep_parameters: {concurrency: {start: 1, stop: 2}}}", "concurrency", [1, 2]),
        ("{request_rate: {start: 100, stop: 200, step: 50}}", "request_rate", [100, 150, 200]),
        ("{num_dataset_entries: {start: 100, stop: 200, step: 100}}", "num_dataset_entries", [100, 200]),
        (
            "{input_sequence_length: {start: 100, stop: 200, step: 50}}",
            "input_sequence_length",
            [100, 150, 200],
        ),
        ("{num_dataset_entries: }", "num_dataset_entries", [128, 256, 512]),
    ],
)
def test_the_section_analyze_is_a_sweep(written, parameter, expected, read):
    file = read(f"{BASE}perf_analyzer: {{stimulus: {{concurrency: 1}}}}\nanalyze: {written}")
    assert "analyze" == file.command
    steps = load_sweep({}, [], {}, file.layer).steps
    assert expected == [step.parameters[parameter] for step in steps]


def test_a_batch_size_is_swept_by_genai_perfs_name_and_by_ours(read):
    for name in ("runtime_batch_size", "batch_size"):
        text = f"model_names: m\nendpoint: {{type: embeddings}}\nanalyze: {{{name}: {{start: 1, stop: 4}}}}"
        steps = load_sweep({}, [], {}, read(text).layer).steps
        assert [1, 2, 4] == [step.config.input.batch_size for step in steps]


def test_two_parameters_are_swept_by_all_combinations_the_first_slowest(read):
    text = BASE + "analyze:\n  input_sequence_length: [10, 20]\n  concurrency: {start: 1, stop: 2}"
    steps = load_sweep({}, [], {}, read(text).layer).steps
    assert [(10, 1), (10, 2), (20, 1), (20, 2)] == [tuple(step.parameters.values()) for step in steps]


def test_a_sweep_on_the_command_line_replaces_the_files(read):
    layer = read(BASE + "analyze: {concurrency: [1, 2]}").layer
    flags = {"analyze.sweep_lists": Given(("4,5",), "--sweep-list")}
    steps = load_sweep(flags, [], {}, layer).steps
    assert [4, 5] == [step.config.load.concurrency for step in steps]
    assert set(layer) & set(ANALYZE_OPTIONS)


def test_the_section_process_is_a_merge(read):
    file = read("process: {input_path: hosts}\noutput: {artifact_directory: merged}")
    assert "process-export-files" == file.command
    assert ("hosts",) == file.layer["process.input_path"].texts
    assert (
        "process-export-files" == read("process: {input_path: aggregated}").command
    )  # the default, but said
    assert "profile" == read("process: {input_path: }").command


# -- what is wrong --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "inptu:\n  file: x",
            "1: User Config: inptu is not a valid top-level parameter; did you mean input?",
        ),
        ("\ninput:\n  fiel: x", "3: User Config: fiel is not a valid input parameter; did you mean file?"),
        (
            "perf_analyzer:\n  stimulus: {concurency: 1}",
            "2: User Config: concurency is not a valid stimulus parameter; did you mean concurrency?",
        ),
        (
            "concurrency: 1",
            "1: User Config: concurrency is not a valid top-level parameter; "
            "did you mean perf_analyzer.stimulus.concurrency?",
        ),
        (
            "input:\n  synthetic_input_tokens_mean: 5",
            "2: User Config: synthetic_input_tokens_mean is not a valid input parameter; "
            "did you mean input.synthetic_tokens.mean?",
        ),
        (
            "endpoint:\n  nothing_like_it: x",
            "2: User Config: nothing_like_it is not a valid endpoint parameter",
        ),
        (
            "endpoint:\n  nothing_like_it:",
            "2: User Config: nothing_like_it is not a valid endpoint parameter",
        ),
        (
            "analyze:\n  concurency: {start: 1}",
            "2: User Config: concurency is not a valid analyze parameter; did you mean concurrency?",
        ),
        (
            "analyze:\n  concurrency: {start: 1, end: 4}",
            "2: User Config: end is not a valid concurrency parameter",
        ),
        ("analyze:\n  concurrency: {start: 1}", "2: analyze.concurrency: has no stop"),
        (
            "perf_analyzer:\n  stimulus:\n    concurrency: 1\n    request_rate: 2",
            "4: perf_analyzer.stimulus.request_rate and concurrency exclude each other",
        ),
        (
            "perf_analyzer: {stimulus: concurrency}",
            "1: perf_analyzer.stimulus: concurrency has no value",
        ),
        (
            "perf_analyzer: {stimulus: fixed_shedule}",
            "1: User Config: fixed_shedule is not a valid stimulus parameter; did you mean fixed_schedule?",
        ),
        (
            "perf_analyzer:\n  measurement: {mode: time}",
            "2: perf_analyzer.measurement.mode: 'time' is not one of request_count, interval",
        ),
        (
            "perf_analyzer:\n  measurement: {number: 3}",
            "2: User Config: number is not a valid measurement parameter; did you mean num?",
        ),
        ("input:\n  num_dataset_entries: 0", "2: input.num_dataset_entries: 0 is not at least 1"),
        (
            "input:\n  synthetic_tokens:\n    mean: 5.5",
            "3: input.synthetic_tokens.mean: '5.5' is not a whole number",
        ),
        ("input:\n  image:\n    format: gif", "3: input.image.format: 'gif' is not one of png, jpeg"),
        ("endpoint:\n  streaming: maybe", "2: endpoint.streaming: 'maybe' is neither true nor false"),
        ("endpoint:\n  type: [chat, completions]", "2: endpoint.type: one value is wanted, not 2"),
        ("model_names: {a: b}", "1: model_names: not a plain value: {'a': 'b'}"),
        ("model_names: [a, [b]]", "1: model_names: not a plain value: ['b']"),
        ("model_names: [a, ]\ninput: 5", "2: input: not a mapping of names to values: 5"),
        ("- a", "1: not a mapping of names to values: ['a']"),
        ("input:\n  batch_size: 1\n  batch_size: 2", "3: batch_size is given twice"),
        ("input: {", "1: not YAML: "),
        ("endpoint:\n\ttype: chat", "2: not YAML: found character '\\t' that cannot start any token"),
        ("model_names: &a [*a]", "1: model_names holds itself, by an alias"),
        ("input:\n  extra: &a {b: [{c: *a}]}", "2: input.extra.b.c holds itself, by an alias"),
        (
            "model_name: a\nmodel_names: b",
            "2: model_names and model_name are one thing, and two values are given for it",
        ),
        (
            "analyze: {concurrency: {start: 1, stop: 4}}\nprocess: {input_path: runs}",
            "2: process and analyze exclude each other",
        ),
    ],
)
def test_what_is_wrong_is_one_line_with_its_place(text, message, read, tmp_path):
    with pytest.raises(UsageError) as raised:
        read(text)
    assert raised.value.message.startswith(f"{tmp_path / 'perf.yaml'}:{message}")


def test_a_value_may_be_said_twice_by_two_names_of_one_key(read):
    assert ("a",) == read("model_name: a\nmodel_names: a").layer["endpoint.model_names"].texts


def test_an_alias_may_stand_in_several_places(read):
    layer = read("input: {extra: {a: &a [1, 2], b: *a, c: [*a, *a]}}").layer
    assert ('{"a": [1, 2], "b": [1, 2], "c": [[1, 2], [1, 2]]}',) == layer["input.extra"].texts


def test_two_loads_in_different_sections_are_an_error_too(config_of):
    text = BASE + "perf_analyzer: {measurement: {num: 4}}\nload:\n  measurement_request_count: 5"
    with pytest.raises(UsageError, match=r"yaml:5: load.measurement_request_count and .* exclude each other"):
        config_of(text)
