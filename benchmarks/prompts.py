"""What it takes to make the prompts of a large run: 100,000 of 1,000 tokens, as requests and as `inputs.json`.

On one core, in a process of its own that ends before a request is sent: time and memory are its own. Then every
tenth prompt is taken out of `inputs.json` and counted again, by the tokenizer alone. (All of them, with EACH = 1,
takes minutes: 0 of 100,000 had another number of tokens, 2026-11-20.)
"""

import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from figure import Figure

PROMPTS = 100_000
TOKENS = 1_000
EACH = 10
"""Every so many are counted again."""
LONGEST_S = 60
MOST_MB = 1_000

MAKE = """
import json, resource, sys, time
from pathlib import Path
began = time.perf_counter()
from genai_perf import endpoints
from genai_perf.config.schema import Config, EndpointConfig, InputConfig, TokenizerConfig
from genai_perf.profile.summarize import load_tokenizer
from genai_perf.workload import build, inputs_file
file, number, tokens = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
given = InputConfig(num_dataset_entries=number, synthetic_tokens_mean=tokens, output_tokens_mean=100)
config = Config(endpoint=EndpointConfig(model_names=("m",), type="chat", streaming=True), input=given)
tokenizer = load_tokenizer(TokenizerConfig(name="builtin"), "m")
workload = build.build(config, endpoints.get("chat"), tokenizer)
made = time.perf_counter()
inputs_file.write(file, workload)
done = time.perf_counter()
most_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
said = [request.input_tokens for request in workload.requests]
print(json.dumps({"make_s": made - began, "write_s": done - made, "most_mb": most_mb, "said": sum(said)}))
"""
"""As `Session` and `measure` do it: tokenizer, bodies, `inputs.json`; the session keeps the bodies."""


def figures(client: list[str]) -> Iterator[Figure]:
    """`client` is what to start a program with."""
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "inputs.json"
        argv = [*client, sys.executable, "-c", MAKE, str(file), str(PROMPTS), str(TOKENS)]
        done = subprocess.run(argv, check=True, capture_output=True, text=True)
        took = json.loads(done.stdout)
        yield from _resources(took)
        yield _exact(file, took["said"])


def _resources(took: dict[str, float]) -> Iterator[Figure]:
    what = f"{PROMPTS:,} synthetic prompts of {TOKENS:,} tokens"
    total_s = took["make_s"] + took["write_s"]
    yield Figure(
        f"{what}, on one core",
        f"{total_s:.0f} s ({took['make_s']:.0f} s made and encoded, {took['write_s']:.0f} s written)",
        f"≤ {LONGEST_S} s",
        total_s <= LONGEST_S,
    )
    most_mb = took["most_mb"]
    yield Figure(f"{what}, in memory", f"{most_mb:,.0f} MB at most", "≤ 1 GB", most_mb <= MOST_MB)


def _exact(file: Path, said: float) -> Figure:
    """Counted once more."""
    from genai_perf.config.schema import TokenizerConfig
    from genai_perf.workload import inputs_file, tokenizer

    counter = tokenizer.load(TokenizerConfig(name="builtin"), "m")
    bodies = islice(inputs_file.bodies(file), 0, None, EACH)
    found = Counter(counter.count(body["messages"][0]["content"] for body in bodies))
    wrong = found.total() - found[TOKENS]
    reached = not wrong and said == PROMPTS * TOKENS
    counted = f"{wrong:,} of {found.total():,} that were counted again"
    return Figure("of these, with another number of tokens", counted, "none", reached)
