"""The rules of CONTRIBUTING.md that a machine can check and no linter does."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "whalefall"
FUNCTION_LINES_MAX = 60
FILE_LINES_MAX = 500
FORBIDDEN_MODULE_NAMES = {"utils", "helpers", "common", "service", "manager", "misc"}

SOURCES = sorted(PACKAGE.rglob("*.py"))
ALL_PYTHON = sorted(
    path
    for folder in ("whalefall", "tests", "training", "bench")
    for path in (ROOT / folder).rglob("*.py")
)


def _functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", ALL_PYTHON, ids=_name)
def test_file_fits_its_limit(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= FILE_LINES_MAX


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_functions_fit_a_screen(path: Path) -> None:
    if "kernels" in path.parts:
        pytest.skip("kernels are exempt from the function limit")
    too_long = [
        f"{function.name}: {length} lines"
        for function in _functions(path)
        if (length := (function.end_lineno or 0) - function.lineno + 1) > FUNCTION_LINES_MAX
    ]
    assert not too_long


@pytest.mark.parametrize("path", SOURCES, ids=_name)
def test_module_opens_with_what_it_is(path: Path) -> None:
    text = path.read_text("utf-8")
    if path.name == "__init__.py":
        assert text == "", "packages are folders: their __init__.py stays empty"
    else:
        assert ast.get_docstring(ast.parse(text)), "a module begins by saying what it is"


def test_no_module_is_a_drawer_for_everything() -> None:
    assert not [_name(path) for path in SOURCES if path.stem in FORBIDDEN_MODULE_NAMES]


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("*.py")), ids=_name)
def test_tests_pass_fakes_in_and_patch_nothing(path: Path) -> None:
    if path == Path(__file__):
        return
    text = path.read_text("utf-8")
    assert "monkeypatch.setattr" not in text
    assert "unittest.mock" not in text
