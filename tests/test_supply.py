"""What is installed is what was reviewed: versions pinned, nothing that runs by being there, and a
wheel that holds the tree and no more."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PINNED = re.compile(r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[A-Za-z0-9.+!_-]+)")
INSTALLED_FIRST = {"torch"}
"""Pinned in the Makefile, because it comes before everything else."""


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned_names(path: Path) -> set[str]:
    lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
    found = [PINNED.fullmatch(line) for line in lines if line and not line.startswith("#")]
    assert all(found), [line for line, match in zip(lines, found, strict=False) if not match]
    return {normal(match["name"]) for match in found if match}


def test_every_dependency_is_pinned_to_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = list(project["dependencies"])
    for extra in project["optional-dependencies"].values():
        wanted += extra
    names = {normal(re.split(r"[\[<>=!~; ]", each, maxsplit=1)[0]) for each in wanted}
    pinned = pinned_names(ROOT / "constraints.txt")
    assert names - pinned - INSTALLED_FIRST == set()
    assert "torch==" in (ROOT / "Makefile").read_text("utf-8")
    assert pinned_names(ROOT / "constraints-clients.txt")


def test_nothing_in_the_tree_runs_by_being_installed() -> None:
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.splitlines()
    odd = [path for path in tracked if path.endswith((".pth", ".pyc", ".so", ".egg-link"))]
    odd += [path for path in tracked if Path(path).name in ("sitecustomize.py", "usercustomize.py")]
    assert odd == []


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_nothing_else(tmp_path: Path) -> None:
    source = tmp_path / "source"
    tracked = subprocess.run(
        ["git", "ls-files", "whalefall", "pyproject.toml", "README.md", "LICENSE"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.splitlines()
    if not tracked:
        pytest.skip("not a git checkout")
    for name in tracked:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    done = subprocess.run(
        [*build, "--wheel-dir", str(tmp_path), str(source)],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        held = {name for name in wheel.namelist() if ".dist-info/" not in name}
        assert held == {name for name in tracked if name.startswith("whalefall/")}
        assert all(wheel.read(name) == (ROOT / name).read_bytes() for name in held)
