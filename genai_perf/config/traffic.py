"""`--traffic FILE`: kinds of traffic to mix, each with options of its own over the run's.

    chat:
      weight: 3
      isl: 200
      osl: 64
      goodput: {time_to_first_token: 200}
    summaries:
      weight: 1
      input-file: articles.jsonl
      model: large

The keys are the command line's long options without their dashes, of the input, images, audio, models and
goodput; whatever is said twice, the file's word counts.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from genai_perf.config.arguments import did_you_mean
from genai_perf.config.documents import Entry, read
from genai_perf.config.options import OPTIONS, Given, Layer, Option, parse_number
from genai_perf.config.schema import OF_A_CLASS, Config, TrafficClassConfig
from genai_perf.exceptions import InputError

WEIGHT = "weight"
_NOT_HERE = ("input.traffic_file", "input.random_seed", "metrics.use_server_token_count")


def read_classes(path: Path, base: Layer, make: Callable[[Layer], Config]) -> tuple[TrafficClassConfig, ...]:
    """The kinds of traffic in a file; `make` turns the run's layer with a kind's over it into a config.

    Raises InputError and UsageError.
    """
    whole = read(path)
    kinds = whole.mapping()
    if not kinds:
        raise InputError(
            f"{path}: no kind of traffic in it", hint="write a name, and under it a weight and options"
        )
    return tuple(_read_class(name, entry, base, make) for name, entry in kinds.items())


def _read_class(name: str, entry: Entry, base: Layer, make: Callable[[Layer], Config]) -> TrafficClassConfig:
    given = entry.mapping()
    if WEIGHT not in given:
        raise InputError(f"{entry.source}: has no weight", hint="for example weight: 1")
    weight_entry = given[WEIGHT]
    weight = parse_number(str(weight_entry.plain()), weight_entry.source)
    if weight <= 0:
        raise InputError(f"{weight_entry.source}: {weight:g} is not more than 0")
    own = dict(_layer({key: value for key, value in given.items() if key != WEIGHT}))
    inherited = {key: value for key, value in base.items() if key != "input.traffic_file"}
    return TrafficClassConfig(name=name, weight=weight, config=make({**inherited, **own}))


def _layer(given: Mapping[str, Entry]) -> Iterator[tuple[str, Given]]:
    known = {flag.removeprefix("--"): option for option in _options() for flag in option.flags}
    for key, entry in given.items():
        option = known.get(key.replace("_", "-"))
        if option is None:
            raise InputError(
                f"{entry.source}: no option of a kind of traffic{did_you_mean(key, list(known))}",
                hint="the input's, model and goodput can differ; the load and the server are the run's",
            )
        yield option.key, Given(tuple(_texts(option, entry)), entry.source)


def _options() -> Sequence[Option]:
    return [
        option
        for option in OPTIONS.values()
        if (option.section in OF_A_CLASS or option.key == "endpoint.model_names")
        and option.key not in _NOT_HERE
    ]


def _texts(option: Option, entry: Entry) -> Iterator[str]:
    """The values as a command line would give them."""
    if isinstance(entry.value, Mapping):
        for name, each in entry.value.items():
            yield f"{name}:{_text(each)}" if option.key == "metrics.goodput" else _as_json(name, each)
        return
    for each in entry.items():
        if isinstance(each.value, list | Mapping):
            raise InputError(f"{each.source}: not a plain value: {each.plain()!r}")
        yield _text(each)


def _text(entry: Entry) -> str:
    return str(entry.value).lower() if isinstance(entry.value, bool) else str(entry.plain())


def _as_json(name: str, entry: Entry) -> str:
    import json

    return json.dumps({name: entry.plain()})
