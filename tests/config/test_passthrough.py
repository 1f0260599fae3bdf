import pytest

from genai_perf.config.load import load
from genai_perf.config.options import Given
from genai_perf.config.passthrough import RULES, Verdict
from genai_perf.exceptions import UsageError

BASE = {
    "endpoint.model_names": Given(("gpt2",), "--model"),
    "endpoint.type": Given(("chat",), "--endpoint-type"),
}
TLS = BASE | {"endpoint.urls": Given(("https://host",), "--url")}


def passed(line, base=BASE):
    return load(base, line.split(), {}).config


@pytest.mark.parametrize(
    ("line", "section", "expected"),
    [
        ("--concurrency-range 4", "load", {"concurrency": 4}),
        ("--concurrency-range 4:4", "load", {"concurrency": 4}),
        ("-t 4", "load", {"concurrency": 4}),
        ("--request-rate-range 2.5", "load", {"request_rate": 2.5}),
        (
            "--request-rate-range 9 --request-distribution poisson",
            "load",
            {"request_rate": 9.0, "request_distribution": "poisson"},
        ),
        (
            "--streaming --periodic-concurrency-range 2:8:2 --request-period 5",
            "load",
            {"periodic_concurrency_range": "2:8:2", "request_period": 5},
        ),
        (
            "--request-count 20 --warmup-request-count 3",
            "load",
            {"request_count": 20, "warmup_request_count": 3},
        ),
        (
            "-p 2000 -r 5 -s 20",
            "load",
            {"measurement_interval_ms": 2000, "max_trials": 5, "stability_percentage": 20},
        ),
        ("--measurement-mode time_windows", "load", {"measurement_interval_ms": 5000}),
        ("--request-count 0", "load", {"measurement_interval_ms": 5000}),
        ("--measurement-mode count_windows", "load", {"measurement_request_count": 50}),
        (
            "--measurement-mode count_windows --measurement-request-count 7",
            "load",
            {"measurement_request_count": 7},
        ),
        ("--measurement-request-count 7", "load", {"measurement_request_count": 7}),
        ("-p 2000 --percentile 95", "load", {"stability_percentile": 95}),
        ("--percentile -1", "load", {"stability_percentile": None}),
        ("--max-trials=5 -p2000 -v", "load", {"max_trials": 5, "measurement_interval_ms": 2000}),
        ("-v -v", "output", {"verbose": True}),
        ("--profile-export-file my.json", "output", {"profile_export_file": "my.json"}),
        ("-u host:9 -i http --streaming --async", "endpoint", {"urls": ("host:9",), "streaming": True}),
        ("-b 1 -a", "input", {"batch_size": 1}),
        (
            "--endpoint /v2/chat --service-kind openai",
            "endpoint",
            {"path": "v2/chat", "service_kind": "openai"},
        ),
    ],
)
def test_a_flag_of_perf_analyzer_sets_what_it_means(line, section, expected):
    values = getattr(passed(line), section)
    assert expected == {name: getattr(values, name) for name in expected}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("--ssl-https-verify-peer 0", (False, True)),
        ("--ssl-https-verify-peer 1 --ssl-https-verify-host 0", (True, False)),
        ("--ssl-https-verify-host 1", (True, True)),
        ("--ssl-https-verify-host 2", (True, True)),
    ],
)
def test_tls_verification_has_perf_analyzers_levels(line, expected):
    endpoint = passed(line, TLS).endpoint
    assert expected == (endpoint.tls_verify, endpoint.tls_verify_host)


def test_tls_files_are_taken_where_they_exist(tmp_path):
    pem = tmp_path / "cert.pem"
    pem.touch()
    line = f"--ssl-https-ca-certificates-file {pem} --ssl-https-client-certificate-file {pem} "
    line += f"--ssl-https-private-key-file {pem} --ssl-https-client-certificate-type PEM "
    line += "--ssl-https-private-key-type pem"
    endpoint = passed(line, TLS).endpoint
    assert (pem, pem, pem) == (endpoint.tls_ca_file, endpoint.tls_cert_file, endpoint.tls_key_file)


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        (["-H", "A: 1"], ("X: 0", "A: 1")),
        (["-H", "A: 1", "-HB: 2"], ("X: 0", "A: 1", "B: 2")),
    ],
)
def test_headers_add_to_those_before(tokens, expected):
    layer = BASE | {"endpoint.headers": Given(("X: 0",), "--header")}
    config = load(layer, tokens, {}).config
    assert expected == config.endpoint.headers


def test_a_load_behind_the_dashes_replaces_one_before_them():
    layer = BASE | {"load.concurrency": Given(("2",), "--concurrency")}
    config = passed("--request-rate-range 10", layer)
    assert (None, 10.0) == (config.load.concurrency, config.load.request_rate)


def test_windows_keep_the_interval_that_was_given_before_the_dashes():
    layer = BASE | {"load.measurement_interval_ms": Given(("700",), "--measurement-interval")}
    assert 700 == passed("--measurement-mode time_windows", layer).load.measurement_interval_ms


@pytest.mark.parametrize(
    ("line", "warning"),
    [
        ("--sync", "--sync has no effect: requests are always sent asynchronously"),
        ("--max-threads 4", "--max-threads has no effect: one event loop sends everything"),
        ("-z", "-z has no effect: tensors are made of the prompts and --extra-inputs"),
        ("--collect-metrics", "--collect-metrics has no effect: metrics are sampled wherever they are found"),
        ("--max-trials 5", "--max-trials has no effect without --measurement-interval"),
        ("--percentile 95", "--percentile has no effect without --measurement-interval"),
        ("--verbose-csv", "--verbose-csv has no effect without -f"),
        (
            "-l 500",
            "--latency-threshold has no effect without --concurrency-range or --request-rate-range",
        ),
        (
            "-p 100 --measurement-request-count 9",
            "--measurement-request-count has no effect beside --measurement-interval",
        ),
        (
            "--measurement-mode count_windows -p 100",
            "--measurement-interval has no effect beside count_windows",
        ),
        ("--ssl-https-verify-peer 0", "--ssl-https-verify-peer has no effect without an https:// URL"),
    ],
)
def test_a_flag_without_effect_is_told(line, warning):
    assert (warning,) == load(BASE, line.split(), {}).warnings


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--max-triels 3", "no Perf Analyzer option --max-triels; did you mean --max-trials?"),
        ("--ssl-https-v 0", "--ssl-https-v is ambiguous: --ssl-https-verify-host, --ssl-https-verify-peer"),
        ("stray", "unexpected argument 'stray' after --"),
        ("--input-data gone.json", "--input-data: no file 'gone.json'"),
        ("--input-data tests", "--input-data: 'tests' is a directory, not a file of requests"),
        (
            "--input-data zero",
            "--input-data zero is not possible: tensors are made of the prompts and --extra-inputs",
        ),
        (
            "--input-data random",
            "--input-data random is not possible: tensors are made of the prompts and --extra-inputs",
        ),
        ("--enable-mpi", "--enable-mpi is not possible: there is no MPI here"),
        ("-i grpc", "-i: chat is spoken over http, not grpc"),
        ("-i HTTP/2", "-i: 'HTTP/2' is not one of http, grpc"),
        ("-x 2", "--model-version needs --endpoint-type kserve"),
        ("--shape max_tokens:1", "--shape needs --endpoint-type kserve"),
        ("--bls-composing-models a", "--bls-composing-models needs --endpoint-type kserve or generate"),
        ("--bls-composing-models a,,b", "--bls-composing-models: 'a,,b' is not NAME,NAME…"),
        ("--ssl-grpc-use-ssl", "--ssl-grpc-use-ssl needs an endpoint type that speaks gRPC"),
        ("-b 4", "-b: 4: behind -- the batch is 1: a request is one inference"),
        ("--service-kind triton", "Invalid endpoint-type 'chat' for service-kind 'triton'."),
        ("--concurrency-range 0", "--concurrency-range: '0': start and step must be more than 0"),
        ("--concurrency-range 4:2", "--concurrency-range: '4:2' ends before it starts"),
        ("--concurrency-range 1:8:0", "--concurrency-range: '1:8:0': start and step must be more than 0"),
        ("--concurrency-range 1:2:3:4", "--concurrency-range: '1:2:3:4' is not START[:END[:STEP]]"),
        ("--concurrency-range 1.5", "--concurrency-range: '1.5' is not made of whole numbers"),
        ("--concurrency-range x", "--concurrency-range: 'x' is not a number"),
        (
            "--concurrency-range 1:0",
            "--concurrency-range: '1:0': an END of 0 needs --latency-threshold",
        ),
        (
            "--concurrency-range 1:8 --binary-search",
            "--binary-search needs --latency-threshold",
        ),
        (
            "--concurrency-range 1:0 -l 500 --binary-search",
            "--binary-search needs an END in --concurrency-range, '1:0' has none",
        ),
        (
            "--request-rate-range 4 -l 500 --binary-search",
            "--binary-search needs an END in --request-rate-range, '4' has none",
        ),
        (
            "-l 500 --binary-search",
            "--binary-search needs --concurrency-range or --request-rate-range",
        ),
        ("--concurrency-range 1:8 -l -5", "--latency-threshold: -5 is not at least 0"),
        ("--concurrency-range 1:8 -l fast", "--latency-threshold: 'fast' is not a number"),
        ("-t 4 --concurrency-range 1:8", "--concurrency-range and -t exclude each other"),
        (
            "--concurrency-range 1:8 --request-count 4",
            "--request-count can not be less than concurrency: 4 < 8",
        ),
        ("-f .", "-f: '.' is a directory"),
        ("-f nowhere/report.csv", "-f: no directory 'nowhere'"),
        (
            "--concurrency-range 1:4 --request-rate-range 5",
            "--concurrency-range and --request-rate-range exclude each other",
        ),
        (
            "--concurrency-range 4 --periodic-concurrency-range 2:4",
            "--periodic-concurrency-range excludes --concurrency-range and --request-rate-range",
        ),
        (
            "--concurrency-range 4 --request-intervals gaps.txt",
            "--request-intervals excludes --concurrency-range and --request-rate-range",
        ),
        ("--request-count x", "--request-count: 'x' is not a whole number"),
        (
            "--measurement-mode sometimes",
            "--measurement-mode: 'sometimes' is not one of time_windows, count_windows",
        ),
        ("--ssl-https-verify-host 3", "--ssl-https-verify-host: '3' is not one of 0, 1, 2"),
        ("--ssl-https-private-key-type DER", "--ssl-https-private-key-type: DER is not possible"),
        ("--ssl-https-ca-certificates-file none.pem", "--ssl-https-ca-certificates-file: no file 'none.pem'"),
        ("--request-distribution poisson", "--request-distribution needs --request-rate"),
        (
            "--profile-export-file dir/x.json",
            "Please use --artifact-dir option to define intermediary paths to the profile export file.",
        ),
    ],
)
def test_what_cannot_be_honoured_is_refused(line, message):
    with pytest.raises(UsageError) as raised:
        load(BASE, line.split(), {})
    assert message == raised.value.message


def test_every_flag_has_one_row_and_what_is_refused_or_idle_gives_its_reason():
    spellings = [spelling for rule in RULES for spelling in rule.flags.split()]
    assert len(spellings) == len(set(spellings))
    assert all(rule.detail for rule in RULES if rule.verdict in (Verdict.REFUSED, Verdict.SETS))


TRITON = BASE | {"endpoint.type": Given(("kserve",), "--endpoint-type")}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("-i grpc", {"protocol": "grpc"}),
        ("-x 3", {"model_version": "3"}),
        ("--request-parameter a:1:int --request-parameter b:x", {"request_parameters": ("a:1:int", "b:x")}),
        ("--shape max_tokens:1 --shape text_input:1", {"tensor_shapes": ("max_tokens:1", "text_input:1")}),
        ("--ssl-grpc-use-ssl", {"grpc_tls": True}),
        ("--bls-composing-models a,b:2", {"bls_composing_models": ("a", "b:2")}),
    ],
)
def test_a_flag_for_triton_sets_an_option(line, expected):
    endpoint = passed(line, TRITON).endpoint
    assert expected == {name: getattr(endpoint, name) for name in expected}


def test_the_flags_of_grpc_tls_name_the_same_files_as_our_own(tmp_path):
    ca, certificate, key = (tmp_path / name for name in ("ca.pem", "cert.pem", "key.pem"))
    for file in (ca, certificate, key):
        file.touch()
    config = passed(
        f"--ssl-grpc-use-ssl --ssl-grpc-root-certifications-file {ca} "
        f"--ssl-grpc-certificate-chain-file {certificate} --ssl-grpc-private-key-file {key}",
        TRITON,
    )
    endpoint = config.endpoint
    assert (ca, certificate, key) == (endpoint.tls_ca_file, endpoint.tls_cert_file, endpoint.tls_key_file)
    assert ("https://localhost:8001",) == config.urls


@pytest.mark.parametrize("base", [BASE, TRITON], ids=["chat", "kserve"])
def test_a_batch_behind_the_dashes_is_refused_with_words_that_fit_every_endpoint(base):
    with pytest.raises(UsageError) as raised:
        load(base, ["-b", "4"], {})
    assert "OpenAI" not in f"{raised.value.message} {raised.value.hint}"
    assert "kserve sends one prompt in each" in raised.value.hint
