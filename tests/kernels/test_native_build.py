"""Compiling on first use: once, privately, and never at the price of not serving."""

from __future__ import annotations

import logging
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from tests.support.native import native_library
from tests.support.tiny_model import TINY_V32, PagedDriver, random_tokens, tiny_model
from whalefall.engine.kernels.choice import choose_kernels
from whalefall.engine.kernels.cpu.build import build
from whalefall.engine.kernels.cpu.library import load_library
from whalefall.engine.kernels.kernel_set import REFERENCE

QUICK = ("-std=gnu11", "-O0", "-march=native")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    native_library()  # or skip
    return tmp_path / "kernels"


def test_without_a_compiler_pytorch_computes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    kernels = choose_kernels(tmp_path, torch.float32, str(tmp_path / "no-such-compiler"))
    assert kernels is REFERENCE
    assert len(caplog.records) == 1
    assert "PyTorch computes instead" in caplog.text
    model = tiny_model()
    model.freeze(kernels)
    assert PagedDriver(model).run_alone(random_tokens(TINY_V32, 10), [10]).isfinite().all()


def test_a_compiler_that_fails_is_told_in_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = tmp_path / "cc"
    broken.write_text("#!/bin/sh\necho 'cannot do this' >&2\necho more >&2\nexit 1\n")
    broken.chmod(0o755)
    assert load_library(tmp_path / "kernels", str(broken)) is None
    assert [record.message for record in caplog.records] == [
        f"no native kernels, PyTorch computes instead: {broken} failed: cannot do this"
    ]


def test_a_compiler_that_makes_no_library_is_no_harm(tmp_path: Path) -> None:
    liar = tmp_path / "cc"
    liar.write_text('#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done\necho nothing > "$2"\n')
    liar.chmod(0o755)
    assert load_library(tmp_path / "kernels", str(liar)) is None


def test_nobody_asks_for_them_or_the_model_is_not_fp32(tmp_path: Path) -> None:
    assert choose_kernels(None, torch.float32) is REFERENCE
    assert choose_kernels(tmp_path, torch.bfloat16) is REFERENCE
    assert not list(tmp_path.iterdir())


def test_two_at_once_both_get_a_whole_library(folder: Path) -> None:
    with ThreadPoolExecutor(2) as threads:
        paths = list(threads.map(lambda _: build(folder, flags=QUICK), range(2)))
    assert paths[0] is not None
    assert paths[0] == paths[1]
    assert [path.name for path in folder.iterdir()] == [paths[0].name]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    before = paths[0].stat().st_mtime_ns
    assert build(folder, flags=QUICK) == paths[0]
    assert paths[0].stat().st_mtime_ns == before


def test_a_folder_others_can_write_to_is_refused(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder.mkdir()
    folder.chmod(0o777)
    assert build(folder, flags=QUICK) is None
    assert "can be written by others" in caplog.text
