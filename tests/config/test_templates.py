"""The template: what it says, and that it loads as nothing but defaults."""

import pytest

from genai_perf.config import keys, template, yaml_file
from genai_perf.config.load import build, load
from genai_perf.config.schema import Config, EndpointConfig, LoadConfig


@pytest.fixture(params=[False, True], ids=["short", "verbose"])
def verbose(request):
    return request.param


def test_it_reads_like_this(verbose, golden):
    golden(f"config/template{'_verbose' if verbose else ''}.yaml", template.text(verbose=verbose))


def test_with_a_model_it_is_a_run_with_all_defaults_and_nothing_to_complain_of(verbose, tmp_path):
    path = tmp_path / template.NAME
    path.write_text(template.text(verbose=verbose).replace("  model_names:", "  model_names: gpt2"))
    file = yaml_file.read(path, ())
    endpoint = EndpointConfig(model_names=("gpt2",), type="kserve", backend="tensorrtllm")
    assert Config(endpoint=endpoint, load=LoadConfig(concurrency=1)) == build(file.layer)
    assert () == load({}, [], {}, file.layer).warnings


def test_the_sweep_that_is_commented_out_can_be_taken_as_it_stands(tmp_path):
    path = tmp_path / template.NAME
    lines = template.text().splitlines()
    begin = next(place for place, line in enumerate(lines) if line.strip() == "# concurrency:")
    lines[begin : begin + 3] = [line.replace("# ", "", 1) for line in lines[begin : begin + 3]]
    path.write_text("\n".join(lines))
    file = yaml_file.read(path, ["concurrency"])
    assert ("analyze", ("concurrency:1:1024",)) == (file.command, file.layer["analyze.sweep_ranges"].texts)


def test_so_can_the_merge(tmp_path):
    path = tmp_path / template.NAME
    path.write_text(template.text().replace("# input_path", "input_path"))
    assert "process-export-files" == yaml_file.read(path, []).command


def test_the_verbose_one_has_every_key():
    text = template.text(verbose=True)
    words = {line.strip(" #").partition(":")[0] for line in text.splitlines()}
    for path, leaf in keys.LEAVES.items():
        assert leaf.is_load or path.rpartition(".")[2] in words, path
