"""From argv to what `genai_perf.profile` is called with, and to errors and exit codes, in this process."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

from genai_perf.cli import main
from genai_perf.exceptions import Interrupted, ServerError

CHAT = ["profile", "-m", "gpt2", "--endpoint-type", "chat"]


@pytest.fixture
def runs(monkeypatch):
    """What the command line hands on, call by call; nothing is sent."""
    calls = []
    module = ModuleType("genai_perf.profile")
    module.run = lambda config, **kinds: calls.append((config, kinds)) or 0
    module.report = lambda directory, **kinds: calls.append((directory, kinds)) or 0
    monkeypatch.setitem(sys.modules, "genai_perf.profile", module)
    return calls


def config_of(argv, runs):
    assert 0 == main(argv)
    ((config, _),) = runs
    return config


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        # the published commands that are about chat, completions and embeddings
        (
            "-m gpt2 --service-kind openai --endpoint-type chat --tokenizer gpt2",
            {
                "endpoint.model_names": ("gpt2",),
                "endpoint.service_kind": "openai",
                "endpoint.type": "chat",
                "tokenizer.name": "gpt2",
                "input.synthetic_tokens_mean": 550,
                "load.concurrency": None,
            },
        ),
        (
            "profile -m gpt2 --service-kind openai --endpoint-type completions --tokenizer gpt2",
            {"endpoint.type": "completions", "endpoint.streaming": False},
        ),
        (
            "-m intfloat/e5-mistral-7b-instruct --batch-size 2 --service-kind openai --endpoint-type "
            "embeddings --input-file FILE",
            {
                "endpoint.model_names": ("intfloat/e5-mistral-7b-instruct",),
                "endpoint.type": "embeddings",
                "input.batch_size": 2,
            },
        ),
        (
            "profile -m gpt2 --endpoint-type chat --streaming "
            "--goodput time_to_first_token:75 inter_token_latency:19.75",
            {"metrics.goodput": {"time_to_first_token": 75.0, "inter_token_latency": 19.75}},
        ),
        (
            "profile -m gpt2 --endpoint-type chat --request-rate 5 -- --request-distribution poisson",
            {"load.request_rate": 5.0, "load.request_distribution": "poisson"},
        ),
        (
            "profile -m gpt2 --endpoint-type chat -p 4000 -- --max-trials 5 -v",
            {"load.measurement_interval_ms": 4000, "load.max_trials": 5, "output.verbose": True},
        ),
        (
            "profile -m gpt2 --endpoint-type chat -u https://host -- --ssl-https-verify-peer 0",
            {"endpoint.tls_verify": False, "endpoint.urls": ("https://host",)},
        ),
        (
            "profile -m meta-llama/Meta-Llama-3-8B-Instruct --service-kind openai --endpoint-type chat "
            "--streaming --url localhost:8000 --synthetic-input-tokens-mean 200 "
            "--synthetic-input-tokens-stddev 0 --output-tokens-mean 100 --output-tokens-stddev 0 "
            "--extra-inputs max_tokens:100 --extra-inputs min_tokens:100 --extra-inputs ignore_eos:true "
            "--concurrency 8 --measurement-interval 10000 --profile-export-file "
            "my_profile_export.json --artifact-dir out --random-seed 0",
            {
                "input.output_tokens_mean": 100,
                "input.output_tokens_stddev": 0,
                "input.extra": {"max_tokens": 100, "min_tokens": 100, "ignore_eos": True},
                "load.concurrency": 8,
                "load.measurement_interval_ms": 10000,
                "output.profile_export_file": "my_profile_export.json",
                "output.artifact_dir": Path("out"),
                "input.random_seed": 0,
            },
        ),
        # argparse's habits
        (
            "profile -m a b -u h:1 h:2 --endpoint-type=chat --concur 8 --num-prom 3",
            {
                "endpoint.model_names": ("a", "b"),
                "endpoint.urls": ("h:1", "h:2"),
                "load.concurrency": 8,
                "input.num_dataset_entries": 3,
            },
        ),
        # old spellings
        (
            "-m gpt2 --output-format openai_chat_completions --expected-output-tokens 7 "
            "--input-tokens-mean 9 --num-of-output-prompts 5 --input-type synthetic",
            {
                "endpoint.type": "chat",
                "input.output_tokens_mean": 7,
                "input.synthetic_tokens_mean": 9,
                "input.num_dataset_entries": 5,
            },
        ),
        (
            "-m gpt2 --endpoint-type chat --prompt-source file --input-file FILE --num-payloads 2",
            {"input.num_dataset_entries": 2},
        ),
        # ours
        (
            "profile -m gpt2 --endpoint-type chat --transport httpx --http2 --no-tls-verify -u https://h -q",
            {
                "endpoint.transport": "httpx",
                "endpoint.http2": True,
                "endpoint.tls_verify": False,
                "output.quiet": True,
            },
        ),
        (
            "profile -m gpt2 --endpoint-type chat --benchmark-duration 1.5 --max-error-rate 0",
            {"load.duration_s": 1.5, "load.max_error_rate": 0.0},
        ),
    ],
)
def test_a_command_line_becomes_this_config(line, expected, runs, tmp_path):
    file = tmp_path / "prompts.jsonl"
    file.write_text('{"text": "Hello"}\n')
    config = config_of(line.replace("FILE", str(file)).split(), runs)
    seen = {key: getattr(getattr(config, key.partition(".")[0]), key.partition(".")[2]) for key in expected}
    assert expected == seen


def test_headers_from_both_sides_of_the_dashes_arrive_and_stay_out_of_the_record(runs):
    main([*CHAT, "-H", "X-Key: secret-1", "--", "-H", "Authorization: Bearer secret-2"])
    ((config, kinds),) = runs
    assert ("X-Key: secret-1", "Authorization: Bearer secret-2") == config.endpoint.headers
    recorded = "genai-perf profile -m gpt2 --endpoint-type chat -H 'X-Key: ***' -- -H 'Authorization: ***'"
    assert recorded == kinds["command"]
    assert "secret" not in str(config.public())


def test_a_variable_is_as_good_as_a_flag(runs, monkeypatch):
    monkeypatch.setenv("GENAI_PERF_MODEL", "gpt2")
    monkeypatch.setenv("GENAI_PERF_ENDPOINT_TYPE", "chat")
    monkeypatch.setenv("GENAI_PERF_CONCURRENCY", "3")
    assert 3 == config_of(["profile"], runs).concurrency


def test_a_range_runs_level_by_level_and_the_worst_exit_code_counts(runs, monkeypatch):
    codes = iter([0, 1, 0])
    run = sys.modules["genai_perf.profile"].run
    monkeypatch.setattr(
        sys.modules["genai_perf.profile"], "run", lambda *args, **kinds: run(*args, **kinds) or next(codes)
    )
    assert 1 == main([*CHAT, "--", "--concurrency-range", "1:3"])
    assert [1, 2, 3] == [config.concurrency for config, _ in runs]


def test_an_interrupted_level_is_the_last(runs, monkeypatch):
    run = sys.modules["genai_perf.profile"].run
    monkeypatch.setattr(
        sys.modules["genai_perf.profile"], "run", lambda *args, **kinds: run(*args, **kinds) or 130
    )
    assert 130 == main([*CHAT, "--", "--concurrency-range", "1:3"])
    assert 1 == len(runs)


def test_a_report_changes_only_what_is_given(runs):
    assert 0 == main(["report", "artifacts/run"])
    assert 0 == main(["report", "artifacts/run", "--goodput", "request_latency:5", "--tokenizer", "builtin"])
    (first, plain), (_, changed) = runs
    assert (Path("artifacts/run"), None, None) == (first, plain["metrics"], plain["tokenizer"])
    assert {"request_latency": 5.0} == changed["metrics"].goodput
    assert "builtin" == changed["tokenizer"].name


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["profil"], "no command profil; did you mean profile?"),
        (["compare"], "Either the --config or --files option must be specified."),
        (["config", "-f", "x"], "x: cannot be read: No such file or directory"),
        (["config"], "--file is missing"),
        (["profile"], "The -m/--model option is required and cannot be empty."),
        (["--streaming"], "The -m/--model option is required and cannot be empty."),
        (
            ["-m", "gpt2", "--service-kind", "openai"],
            "The --endpoint-type option is required when using the 'openai' service-kind.",
        ),
        (
            ["-m", "gpt2", "--service-kind", "triton", "--endpoint-type", "chat"],
            "Invalid endpoint-type 'chat' for service-kind 'triton'.",
        ),
        (
            ["-m", "gpt2", "--service-kind", "x"],
            "--service-kind: 'x' is not one of openai, triton, dynamic_grpc",
        ),
        (
            [*CHAT, "--backend", "vllm"],
            "The backend should only be used with the following combination: 'service_kind: triton' & "
            "'type: kserve'",
        ),
        (
            ["-m", "gpt2", "--url", "embedded"],
            "--url: the embedded server does not speak kserve",
        ),
        (
            ["-m", "gpt2", "--endpoint-type", "kserve", "--transport", "httpx"],
            "--transport httpx cannot speak gRPC",
        ),
        (
            ["-m", "gpt2", "--endpoint-type", "caht"],
            "--endpoint-type: no endpoint type named 'caht'; did you mean chat?",
        ),
        (["-m", "", "--endpoint-type", "chat"], "--model: an empty value"),
        ([*CHAT, "--concurency", "2"], "no option --concurency; did you mean --concurrency?"),
        ([*CHAT, "stray"], "unexpected argument 'stray'"),
        ([*CHAT, "--concurrency", "0"], "--concurrency: 0 is not at least 1"),
        ([*CHAT, "--concurrency", "2.5"], "--concurrency: '2.5' is not a whole number"),
        ([*CHAT, "--request-rate", "0"], "--request-rate: 0 is not more than 0"),
        ([*CHAT, "--request-rate", "nan"], "--request-rate: 'nan' is not a number"),
        ([*CHAT, "--max-error-rate", "1.5"], "--max-error-rate: 1.5 is not at most 1"),
        ([*CHAT, "--stability-percentage", "1000"], "--stability-percentage: 1000 is not at most 999"),
        ([*CHAT, "--transport", "udp"], "--transport: 'udp' is not one of native, httpx"),
        (
            [*CHAT, "--concurrency", "2", "--request-rate", "5"],
            "--concurrency and --request-rate exclude each other",
        ),
        (
            [*CHAT, "--request-count", "20", "-p", "100"],
            "--measurement-interval and --request-count exclude each other",
        ),
        ([*CHAT, "-v", "-q"], "--verbose and --quiet exclude each other"),
        (
            [*CHAT, "--concurrency", "8", "--request-count", "4"],
            "--request-count can not be less than concurrency: 4 < 8",
        ),
        ([*CHAT, "--max-concurrency", "8"], "--max-concurrency needs --request-rate"),
        ([*CHAT, "--request-distribution", "poisson"], "--request-distribution needs --request-rate"),
        ([*CHAT, "--request-intervals", "none.txt"], "--request-intervals: no file 'none.txt'"),
        ([*CHAT, "--output-tokens-stddev", "4"], "If output tokens stddev is set, mean must also be set"),
        (
            [*CHAT, "--output-tokens-mean-deterministic"],
            "If output tokens deterministic is set, mean must also be set",
        ),
        ([*CHAT, "-b", "2"], "The --batch-size-text flag is not supported for openai_chat_completions."),
        (
            ["-m", "e5", "--endpoint-type", "embeddings", "--streaming"],
            "The --streaming option is not supported for openai_embeddings.",
        ),
        ([*CHAT, "--http2"], "--http2 needs --transport httpx"),
        ([*CHAT, "--proxy", "http://p:1"], "--proxy needs --transport httpx"),
        ([*CHAT, "--proxy", "me:secret", "--transport", "httpx"], "--proxy: not the address of a proxy"),
        (
            [*CHAT, "-u", "embedded", "h:1"],
            "--url: embedded stands alone, it cannot be mixed with other servers",
        ),
        ([*CHAT, "-u", "ftp://h"], "--url: ftp:// is no scheme this program speaks"),
        ([*CHAT, "--endpoint", "http://h/v1"], "--endpoint: 'http://h/v1' is not a path"),
        ([*CHAT, "-H", "secret"], "--header: header 1 has no colon"),
        (
            [*CHAT, "-H", "A: 1", "-H", "B C: secret"],
            "--header: header 2: its name holds characters that no header's name may",
        ),
        (
            [*CHAT, "-H", "A: secret\nB: 1"],
            "--header: the value of A holds a control character or one beyond ASCII",
        ),
        ([*CHAT, "-H", "Content-Length: 3"], "--header: Content-Length is set by this program"),
        ([*CHAT, "--tls-ca-file", "none.pem"], "--tls-ca-file: no file 'none.pem'"),
        ([*CHAT, "--tls-key-file", __file__], "--tls-key-file needs --tls-cert-file"),
        (
            [*CHAT, "--input-file", "none.jsonl"],
            "--input-file: 'none.jsonl' is not a valid file or directory",
        ),
        ([*CHAT, "--input-file", "payload:x"], "--input-file: File not found: x"),
        (
            [*CHAT, "--extra-inputs", "a:"],
            "--extra-inputs: Input name or value is empty in --extra-inputs: a:",
        ),
        ([*CHAT, "--goodput", "speed:1"], "--goodput: no metric named 'speed'"),
        (
            [*CHAT, "--goodput", "request_latency"],
            "--goodput: Invalid format found for goodput constraints. 'request_latency' is not METRIC:VALUE",
        ),
        (
            [*CHAT, "--profile-export-file", "dir/x.json"],
            "Please use --artifact-dir option to define intermediary paths to the profile export file.",
        ),
        (
            [*CHAT, "--profile-export-file", "run.json"],
            "--profile-export-file: run.json is another file of the run",
        ),
        ([*CHAT, "--artifact-dir", __file__], f"--artifact-dir: {__file__!r} is a file"),
        ([*CHAT, "--sweep-type", "concurrency"], "--sweep-type is an option of genai-perf analyze"),
        ([*CHAT, "--sweep-list", "1"], "--sweep-list is an option of genai-perf analyze"),
        ([*CHAT, "--fixed-schedule"], "--fixed-schedule needs a trace"),
        ([*CHAT, "--image-w", "5"], "--image-w is ambiguous: --image-width-mean, --image-width-stddev"),
        (
            [*CHAT, "--prompt-source", "dataset", "--input-file", __file__],
            "--prompt-source dataset contradicts --input-file",
        ),
        (
            [*CHAT, "--prompt-source", "web"],
            "--prompt-source: 'web' is not one of synthetic, file, dataset, url",
        ),
        ([*CHAT, "--prompt-source", "file"], "--prompt-source file: needs --input-file"),
        ([*CHAT, "--output-format", "vllm"], "--output-format vllm contradicts --endpoint-type chat"),
        ([*CHAT, "--port", "localhost:8080"], "no option --port; did you mean --url?"),
        (
            [*CHAT, "--output-format", "openai_completions"],
            "--output-format openai_completions contradicts --endpoint-type chat",
        ),
        (
            [*CHAT, "--", "--max-triels", "3"],
            "no Perf Analyzer option --max-triels; did you mean --max-trials?",
        ),
        (["serve", "--port", "80x"], "--port: '80x' is not a whole number"),
        ([*CHAT, "--", "--foo", "3"], "no Perf Analyzer option --foo"),
        (["report"], "DIR is missing"),
        (["report", "a", "b"], "unexpected argument 'b'"),
        (["report", "a", "--", "-v"], "genai-perf report takes nothing after --"),
        (["report", "a", "--concurrency", "1"], "no option --concurrency"),
    ],
)
def test_a_wrong_command_line_is_one_clear_line_and_exit_code_2(argv, message, runs, capsys):
    assert 2 == main(argv)
    seen = capsys.readouterr()
    assert f"error: {message}" == seen.err.splitlines()[0]
    assert "" == seen.out
    assert "secret" not in seen.err
    assert [] == runs


@pytest.mark.parametrize(
    ("failure", "code", "told"),
    [
        (
            ServerError("localhost:8000: connection refused", hint="is it up?"),
            1,
            "error: localhost:8000: connection refused\nhint: is it up?\n",
        ),
        (
            Interrupted("interrupted; 12 requests were measured"),
            130,
            "interrupted; 12 requests were measured\n",
        ),
        (
            ServerError("http_500: \x1b[31mred\x07", hint="a\x9bb"),
            1,
            "error: http_500: ?[31mred?\nhint: a?b\n",
        ),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_a_failed_run_is_told_and_has_its_exit_code(failure, code, told, runs, monkeypatch, capsys):
    def fail(config, **kinds):
        raise failure

    monkeypatch.setattr(sys.modules["genai_perf.profile"], "run", fail)
    assert code == main(CHAT)
    assert told == capsys.readouterr().err


def test_a_bug_is_a_traceback(runs, monkeypatch):
    def fail(config, **kinds):
        raise ZeroDivisionError

    monkeypatch.setattr(sys.modules["genai_perf.profile"], "run", fail)
    with pytest.raises(ZeroDivisionError):
        main(CHAT)


@pytest.mark.parametrize(
    ("argv", "variable", "expected"),
    [
        ([], None, "warning: --sync has no effect: requests are always sent asynchronously\n"),
        (["-q"], None, ""),
        (["-q"], "warning", "warning: --sync has no effect: requests are always sent asynchronously\n"),
    ],
)
def test_warnings_go_to_stderr_unless_it_is_to_be_quiet(argv, variable, expected, runs, monkeypatch, capsys):
    if variable:
        monkeypatch.setenv("GENAI_PERF_LOG_LEVEL", variable)
    assert 0 == main([*CHAT, *argv, "--", "--sync"])
    assert ("", expected) == capsys.readouterr()


def test_a_wrong_log_level_is_refused(runs, monkeypatch, capsys):
    monkeypatch.setenv("GENAI_PERF_LOG_LEVEL", "loud")
    assert 2 == main(CHAT)
    assert (
        "error: GENAI_PERF_LOG_LEVEL: 'loud' is not one of debug, info, warning, error\n"
        == capsys.readouterr().err
    )
