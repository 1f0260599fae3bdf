"""Finding an endpoint by its name, ours and those of other packages."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from genai_perf import endpoints
from genai_perf.config.options import OPTIONS
from genai_perf.exceptions import UsageError

HERE = Path(endpoints.__file__).parent
OURS = sorted(file.stem for file in HERE.glob("*.py") if "\nENDPOINT = " in file.read_text())


def install(directory, entries, module=""):
    """A package as pip leaves it, with endpoint types of its own."""
    information = directory / "elsewhere-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1.0\n")
    lines = [f"{name} = {target}\n" for name, target in entries.items()]
    (information / "entry_points.txt").write_text("[genai_perf.endpoints]\n" + "".join(lines))
    (directory / "elsewhere_endpoints.py").write_text(module)


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("elsewhere_endpoints", None)


MODULE = """
from dataclasses import replace
from genai_perf.endpoints.chat import ENDPOINT as CHAT
ENDPOINT = replace(CHAT, name="elsewhere", path="v2/elsewhere")
NOTHING = None
"""


@pytest.mark.parametrize(
    ("name", "path", "streams", "batches", "tokens"),
    [
        ("chat", "v1/chat/completions", True, False, True),
        ("completions", "v1/completions", True, True, True),
        ("embeddings", "v1/embeddings", False, True, False),
        ("huggingface_generate", "/", True, True, True),
        ("messages", "v1/messages", True, False, True),
        ("rankings", "v1/ranking", False, True, False),
        ("rerank", "v1/rerank", False, True, False),
        ("responses", "v1/responses", True, False, True),
    ],
)
def test_each_file_is_an_endpoint_of_its_name(name, path, streams, batches, tokens):
    found = endpoints.get(name)
    assert (name, path) == (found.name, found.path)
    assert (streams, batches, tokens) == (found.can_stream, found.can_batch, found.produces_tokens)


def test_streaming_has_a_path_of_its_own_where_the_server_has():
    generate = endpoints.get("huggingface_generate")
    assert "generate_stream" == endpoints.path_of(generate, given=None, model="m", streaming=True)
    assert "/" == endpoints.path_of(generate, given=None, model="m", streaming=False)
    assert "a/b" == endpoints.path_of(generate, given="a/b", model="m", streaming=True)


def test_names_are_sorted_and_helpers_are_none_of_them():
    assert OURS == endpoints.names()


def test_the_help_has_them_all():
    (told,) = re.findall(r"The API to measure: ([\w, ]+)\.", OPTIONS["endpoint.type"].help)
    assert OURS == told.split(", ")


@pytest.mark.parametrize(("name", "meant"), [("caht", "chat"), ("image-retrieval", "image_retrieval")])
def test_a_misspelt_name_is_refused_with_the_nearest(name, meant):
    with pytest.raises(UsageError, match=f"no endpoint type named '{name}'; did you mean {meant}\\?"):
        endpoints.get(name)


@pytest.mark.parametrize("name", ["sse", "openai", "__init__", "", "../chat", "chat.py", "Chat", "reading"])
def test_an_unknown_name_is_refused_with_those_that_are_known(name):
    with pytest.raises(UsageError) as refused:
        endpoints.get(name)
    assert refused.value.message.startswith(f"--endpoint-type: no endpoint type named {name!r}")
    assert f"known types: {', '.join(OURS)}" == refused.value.hint


def test_another_packages_endpoint_is_found_by_its_name(site):
    install(site, {"elsewhere": "elsewhere_endpoints:ENDPOINT"}, MODULE)
    assert sorted([*OURS, "elsewhere"]) == endpoints.names()
    assert "v2/elsewhere" == endpoints.get("elsewhere").path


def test_another_package_cannot_replace_ours(site):
    install(site, {"chat": "elsewhere_endpoints:ENDPOINT"}, MODULE)
    assert OURS == endpoints.names()
    assert "v1/chat/completions" == endpoints.get("chat").path


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("elsewhere_endpoints:MISSING", "cannot be loaded from elsewhere_endpoints:MISSING: "),
        ("missing_module:ENDPOINT", "cannot be loaded from missing_module:ENDPOINT: "),
        ("elsewhere_endpoints:NOTHING", "elsewhere_endpoints:NOTHING is no genai_perf.endpoints.Endpoint"),
    ],
)
def test_an_endpoint_that_cannot_be_loaded_is_refused_by_name(site, target, message):
    install(site, {"elsewhere": target}, MODULE)
    with pytest.raises(UsageError) as refused:
        endpoints.get("elsewhere")
    assert refused.value.message.startswith(f"--endpoint-type: elsewhere: {message}")


def test_ours_are_found_without_asking_every_installed_package():
    program = (
        "import sys; from genai_perf import endpoints; endpoints.get('chat');"
        "print('importlib.metadata' in sys.modules)"
    )
    seen = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "False\n" == seen.stdout
