"""The model repository that the tests serve: both shapes of language model, an ensemble, and a BLS model."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

MODELS = Path(__file__).with_name("models")
OPTIONAL = "optional: true"

VLLM_INPUTS = (
    ("text_input", "STRING", ""),
    ("stream", "BOOL", OPTIONAL),
    ("sampling_parameters", "STRING", OPTIONAL),
    ("exclude_input_in_output", "BOOL", OPTIONAL),
    ("return_num_input_tokens", "BOOL", OPTIONAL),
    ("return_num_output_tokens", "BOOL", OPTIONAL),
)
VLLM_OUTPUTS = (("text_output", "STRING"), ("num_input_tokens", "UINT32"), ("num_output_tokens", "UINT32"))
TENSORRTLLM_INPUTS = (
    ("text_input", "STRING", ""),
    ("max_tokens", "INT32", ""),
    ("stream", "BOOL", OPTIONAL),
    ("exclude_input_in_output", "BOOL", OPTIONAL),
    ("min_length", "INT32", OPTIONAL),
    ("temperature", "FP32", OPTIONAL),
    ("random_seed", "UINT64", OPTIONAL),
    ("stop_words", "STRING", OPTIONAL),
)
TEXT = (("text_output", "STRING"),)
ENGINE_INPUTS = (("prompt", "STRING", ""), ("max_tokens", "INT32", ""), ("stream", "BOOL", OPTIONAL))

ENSEMBLE = """
platform: "ensemble"
ensemble_scheduling { step [
  { model_name: "preprocessing" model_version: -1
    input_map { key: "text_input" value: "text_input" }
    output_map { key: "prompt" value: "prompt" } },
  { model_name: "engine" model_version: -1
    input_map { key: "prompt" value: "prompt" }
    input_map { key: "max_tokens" value: "max_tokens" }
    input_map { key: "stream" value: "stream" }
    output_map { key: "text" value: "text" } },
  { model_name: "postprocessing" model_version: -1
    input_map { key: "text" value: "text" }
    output_map { key: "text_output" value: "text_output" } }
] }
"""


NAMES = {"prompt": "text_input", "text": "text_output"}


@dataclass(frozen=True, slots=True)
class Model:
    """What stands in a model's configuration."""

    code: str | None
    """Its file in `models/`; an ensemble has none."""
    inputs: tuple[tuple[str, str, str], ...]
    outputs: tuple[tuple[str, str], ...]
    batch: int = 64
    decoupled: bool = True
    instances: int = 1
    parameters: Mapping[str, str] = field(default_factory=dict)
    more: str = ""


ALL = {
    "vllm_like": Model("llm", VLLM_INPUTS, VLLM_OUTPUTS, batch=0, parameters=NAMES),
    "tensorrtllm_like": Model("llm", TENSORRTLLM_INPUTS, TEXT, parameters=NAMES),
    "engine": Model(
        "llm", ENGINE_INPUTS, (("text", "STRING"),), parameters={"prompt": "prompt", "text": "text"}
    ),
    "preprocessing": Model("step", TENSORRTLLM_INPUTS[:1], (("prompt", "STRING"),), decoupled=False),
    "postprocessing": Model("step", (("text", "STRING", ""),), TEXT, decoupled=False),
    "bls": Model(
        "bls", TENSORRTLLM_INPUTS[:3], TEXT, instances=4
    ),  # as many as the tests have requests in flight
    "ensemble": Model(None, TENSORRTLLM_INPUTS[:3], TEXT, decoupled=False, more=ENSEMBLE),
}


def write(root: Path, models: Mapping[str, Model] = ALL) -> Path:
    """Make the repository under `root`."""
    for name, model in models.items():
        _write(root, name, model)
    return root


def _write(root: Path, name: str, model: Model) -> None:
    """A model's folder: `NAME/config.pbtxt`, and `NAME/1/` with its code."""
    version = root / name / "1"
    version.mkdir(parents=True)
    config = [f'name: "{name}"', f"max_batch_size: {model.batch}"]
    config += [
        f'input {{ name: "{tensor}" data_type: TYPE_{datatype} dims: [ 1 ] {options} }}'
        for tensor, datatype, options in model.inputs
    ]
    config += [
        f'output {{ name: "{tensor}" data_type: TYPE_{datatype} dims: [ -1 ] }}'
        for tensor, datatype in model.outputs
    ]
    config += [
        f'parameters {{ key: "{key}" value {{ string_value: "{value}" }} }}'
        for key, value in model.parameters.items()
    ]
    if model.code is not None:
        shutil.copy(MODELS / f"{model.code}.py", version / "model.py")
        config += ['backend: "python"', f"instance_group {{ count: {model.instances} kind: KIND_CPU }}"]
    if model.decoupled:
        config.append("model_transaction_policy { decoupled: True }")
    (root / name / "config.pbtxt").write_text("\n".join([*config, model.more]))
