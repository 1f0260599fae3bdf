"""Data sets that `datasets` itself has saved, and names that are not to be had."""

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import datasets
import pytest
from PIL import Image

from genai_perf.config.schema import InputConfig
from genai_perf.exceptions import InputError
from genai_perf.workload import hub_datasets
from genai_perf.workload.files import conversations

ROWS = [{"question": f"What is {n}?", "answer": "It is. " * n, "n": n} for n in range(1, 8)]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def saved(path: Path, rows: list[dict[str, Any]] = ROWS) -> str:
    datasets.Dataset.from_list(rows).save_to_disk(path)
    return str(path)


def saved_splits(path: Path, *names: str) -> str:
    parts = {
        name: datasets.Dataset.from_list([{"question": name, "n": number} for number in range(3)])
        for name in names
    }
    datasets.DatasetDict(parts).save_to_disk(path)
    return str(path)


def texts(takes: tuple[str, ...] = ("text",), **given: Any) -> list[str]:
    return [turns[0].texts[0] for turns in conversations(InputConfig(**given), takes, whole=False)]


def refusal(**given: Any) -> InputError:
    with pytest.raises(InputError) as raised:
        texts(**given)
    return raised.value


def test_a_saved_data_set_is_read_from_its_directory(tmp_path: Path) -> None:
    name = saved(tmp_path / "saved")
    table = hub_datasets.table(InputConfig(dataset=name))
    assert (name, ("question", "answer", "n"), "dataset") == (table.name, table.columns, table.kind)
    assert [(f"{name}: row {row['n']}", {"question": row["question"]}) for row in ROWS] == list(
        table.rows(["question"])
    )


def test_so_many_rows_are_taken_as_prompts_are_asked_for(tmp_path: Path) -> None:
    name = saved(tmp_path / "saved")
    assert ["What is 1?", "What is 2?", "What is 3?"] == texts(dataset=name, num_dataset_entries=3)
    assert 7 == len(texts(dataset=name))


def test_a_directory_of_data_files_is_a_data_set_with_splits(tmp_path: Path) -> None:
    part = datasets.Dataset.from_list(ROWS)
    (tmp_path / "files").mkdir()
    part.to_parquet(tmp_path / "files" / "train.parquet")
    part.select(range(2)).to_parquet(tmp_path / "files" / "test.parquet")
    name = str(tmp_path / "files")
    assert 7 == len(texts(dataset=name))
    assert 2 == len(texts(dataset=name, dataset_split="test"))


def test_the_split_is_train_or_the_only_one_or_the_one_that_is_named(tmp_path: Path) -> None:
    both = saved_splits(tmp_path / "both", "test", "train")
    assert ["train"] * 3 == texts(dataset=both)
    assert ["test"] * 3 == texts(dataset=both, dataset_split="test")
    assert ["eval"] * 3 == texts(dataset=saved_splits(tmp_path / "one", "eval"))


def test_a_split_or_a_subset_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    name = saved_splits(tmp_path / "both", "test", "validation")
    error = refusal(dataset=name)
    assert (f"--input-dataset: {name} has no split train", "--dataset-split test|validation") == (
        error.message,
        error.hint,
    )
    error = refusal(dataset=name, dataset_split="tests")
    assert f"--dataset-split: {name} has no split 'tests'; did you mean test?" == error.message
    one = saved(tmp_path / "one")
    assert f"--dataset-split: {one} has no splits" == refusal(dataset=one, dataset_split="test").message
    assert "is one saved data set" in refusal(dataset=one, dataset_config="en").message
    assert "is one saved data set" in refusal(dataset=one, dataset_revision="v2").message


def test_columns_are_named_or_known(tmp_path: Path) -> None:
    name = saved(tmp_path / "saved")
    assert "It is. It is." == texts(dataset=name, columns={"prompt": "answer"})[1]
    error = refusal(dataset=name, columns={"prompt": "qestion"})
    assert "has no column 'qestion'; did you mean question?" in error.message
    assert "its columns are question, answer, n" == error.hint


def test_rows_without_a_prompt_are_left_out_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    name = saved(tmp_path / "saved", [{"question": text} for text in ("one", "", " ", "two", "three", "")])
    assert ["one", "two", "three"] == texts(dataset=name, num_dataset_entries=3)
    assert f"{name}: 3 rows taken; among those that were read are 2 without a prompt" in caplog.messages


def test_a_data_set_without_rows_is_an_error(tmp_path: Path) -> None:
    datasets.Dataset.from_dict({"question": []}).save_to_disk(tmp_path / "empty")
    assert "holds no prompts" in refusal(dataset=str(tmp_path / "empty")).message


@pytest.mark.parametrize("several", [False, True])
def test_images_are_sent_as_the_files_they_were(tmp_path: Path, several: bool) -> None:
    file = io.BytesIO()
    Image.new("RGB", (3, 2)).save(file, "PNG")
    image: Any = {"bytes": file.getvalue(), "path": None}
    feature: Any = datasets.Image()
    features = datasets.Features(
        {"question": datasets.Value("string"), "image": [feature] if several else feature}
    )
    rows = {"question": ["What?"], "image": [[image, image] if several else image]}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(tmp_path / "saved")
    given = InputConfig(dataset=str(tmp_path / "saved"))
    ((turn,),) = conversations(given, ("text", "image"), whole=False)
    assert [1, 2][several] == len(turn.images)
    assert turn.images[0].startswith("data:image/png;base64,iVBOR")


def test_conversations_of_a_data_set_are_whole_or_their_first_turns(tmp_path: Path) -> None:
    messages = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "Bye"},
    ]
    name = saved(tmp_path / "saved", [{"messages": messages, "prompt": "not this"}])
    whole = list(conversations(InputConfig(dataset=name), ("text",), whole=True))
    assert [[("Hi",), ("Bye",)]] == [[turn.texts for turn in turns] for turns in whole]
    assert "Hello" == whole[0][0].answer
    assert ["Hi"] == texts(dataset=name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("./nowhere", "--input-dataset: no directory './nowhere'"),
        ("not a name", "--input-dataset: no directory 'not a name'"),
    ],
)
def test_what_can_be_no_data_set_is_told_at_once(name: str, message: str) -> None:
    assert message == refusal(dataset=name).message


def test_a_file_is_no_data_set_and_says_which_option_it_is_for(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text\nhi\n")
    error = refusal(dataset=f"{tmp_path}/a.csv")
    assert f"--input-file {tmp_path}/a.csv" == error.hint


def test_a_directory_without_data_is_told(tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    assert refusal(dataset=str(tmp_path / "nothing")).message.startswith(
        f"--input-dataset: {tmp_path}/nothing: "
    )


ASK = """
import sys
from genai_perf.config.schema import InputConfig
from genai_perf.exceptions import InputError
from genai_perf.workload import hub_datasets
assert "datasets" not in sys.modules
try:
    hub_datasets.table(InputConfig(dataset="nobody/nothing"))
except InputError as error:
    print(error.message)
    print(error.hint)
"""


@pytest.mark.parametrize(
    ("environment", "why"),
    [
        (
            {"HF_HUB_OFFLINE": "1"},
            "is not among what was prepared on this machine, and HF_HUB_OFFLINE is set",
        ),
        ({"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": "http://127.0.0.1:9"}, "the hub cannot be reached ("),
    ],
)
def test_a_name_that_cannot_be_had_says_what_to_do(
    tmp_path: Path, environment: dict[str, str], why: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        env={**os.environ, "HF_HOME": str(tmp_path), **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    message, hint = done.stdout.splitlines()
    assert message.startswith(f"--input-dataset: nobody/nothing: {why}")
    assert "`hf download --repo-type dataset nobody/nothing --local-dir DIR`" in hint
