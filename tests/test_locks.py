"""The locks fit `pyproject.toml`, pin every file by its hash and name no registry: else `make lock`."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NEEDED = PROJECT["dependencies"]
EXTRAS = PROJECT["optional-dependencies"]


def pinned(lock: str) -> dict[str, set[Version]]:
    """The versions of each package; several where they depend on the Python."""
    versions: dict[str, set[Version]] = {}
    for name, version in re.findall(r"^([a-z0-9-]+)==([^ ;]+)", (ROOT / lock).read_text(), re.MULTILINE):
        versions.setdefault(name, set()).add(Version(version))
    return versions


@pytest.mark.parametrize(
    ("lock", "asked"),
    [
        ("requirements.lock", NEEDED),
        ("requirements-dev.lock", NEEDED + EXTRAS["dev"]),
        ("requirements-plots.lock", NEEDED + EXTRAS["plots"]),
        ("requirements-real.lock", NEEDED + EXTRAS["real"]),
    ],
)
def test_a_lock_holds_what_is_asked_for(lock: str, asked: list[str]) -> None:
    versions = pinned(lock)
    for requirement in map(Requirement, asked):
        assert requirement.name in versions, f"{requirement} is not in {lock}: make lock"
        assert all(version in requirement.specifier for version in versions[requirement.name]), requirement


def test_one_version_of_a_package_serves_the_program_its_tests_its_images_and_the_real_server() -> None:
    others = [pinned(f"requirements-{name}.lock") for name in ("dev", "plots", "real")]
    for name, versions in pinned("requirements.lock").items():
        assert [versions] * 3 == [other[name] for other in others], name


@pytest.mark.parametrize("lock", sorted(ROOT.glob("requirements*.lock")), ids=lambda path: path.name)
def test_every_pin_is_hashed_and_no_registry_is_named(lock: Path) -> None:
    text = lock.read_text()
    for pin in re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE):
        assert not pin.strip() or "--hash=sha256:" in pin, pin
    assert not re.search(r"://|--(extra-)?index|--find-links", text)
