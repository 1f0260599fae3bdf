"""The directory of a run: its name, and the file that says how the run was made and how it ended."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from genai_perf.config.gap_words import stimulus
from genai_perf.config.schema import Config
from genai_perf.exceptions import ArtifactError
from genai_perf.reports.files import ensure
from genai_perf.types import RunEnd, RunInfo, Window
from genai_perf.workload import inputs_file

JOURNAL = "records.arrows"
RUN = "run.json"
SAMPLES = ("telemetry.log", "telemetry.arrows")


def run_name(config: Config, swept: Mapping[str, object] | None = None) -> str:
    """The run's directory, as GenAI-Perf names it: model, endpoint and load, or what a sweep varies."""
    models = config.endpoint.model_names
    model = models[0] + ("_multi" if len(models) > 1 else "")
    varied = "-".join(f"{name}{value}" for name, value in swept.items()) if swept else _load(config)
    is_kserve = config.endpoint.type == "kserve"
    what = (config.endpoint.backend or "tensorrtllm") if is_kserve else config.endpoint.type
    return f"{model.replace('/', '_')}-{config.service_kind}-{what}-{varied}"


def _load(config: Config) -> str:
    if config.input.replay is not None:
        return "replay"
    option, value = stimulus(asdict(config.load))
    if (periodic := config.load.periodic) is not None:
        return f"periodic_concurrency{periodic.start}-{periodic.end}-{periodic.step}"
    return f"{option}{value}" if type(value) in (int, float) else option


def check_apart(config: Config, directory: Path) -> None:
    """Raise ArtifactError where what is to be sent is the directory's own `inputs.json`."""
    own = (directory / inputs_file.NAME).resolve()
    for kind in (config, *(kind.config for kind in config.traffic)):
        if own in (path.resolve() for path in kind.input.ready_made):
            raise ArtifactError(
                f"{directory}: would replace the run whose {own.name} is to be sent",
                hint="give another --artifact-dir",
            )


def make_directory(directory: Path) -> None:
    """Make it, or clear it of what a former run left and this one might not. Raises ArtifactError."""
    ensure(directory)
    for stale in (RUN, JOURNAL, *SAMPLES):
        (directory / stale).unlink(missing_ok=True)


def write_run(directory: Path, info: RunInfo, end: RunEnd | None) -> None:
    """`run.json`; `end` is None while the run goes on. Raises ArtifactError."""
    path = directory / RUN
    try:
        path.write_text(
            json.dumps({"run": asdict(info), "end": asdict(end) if end else None}, indent=2) + "\n"
        )
    except OSError as exc:
        raise ArtifactError(f"{path}: cannot be written: {exc.strerror or exc}") from exc


def read_end(directory: Path) -> RunEnd | None:
    """How the run ended; None when it was killed before it could say."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        end = json.loads((directory / RUN).read_text())["end"]
        if end is not None:
            return RunEnd(**{**end, "windows": tuple(Window(**window) for window in end["windows"])})
    return None
