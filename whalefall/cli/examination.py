"""The examination behind `whalefall bench model`: loads a checkpoint and asks it the cases."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from whalefall.app import default_num_threads, kernels_dir, tokenizer_path
from whalefall.base.clock import SystemClock
from whalefall.chat.formats.registry import format_by_name
from whalefall.chat.tokenizer import Tokenizer, bundled_path
from whalefall.engine.process import fingerprint
from whalefall.evaluation.cases import Case
from whalefall.evaluation.report import Report
from whalefall.evaluation.respondent import Respondent, open_model
from whalefall.evaluation.session import Examination, Plan, Step
from whalefall.settings import Settings


def examined(settings: Settings, asked: Sequence[Case], *, is_dense: bool, goal: float) -> Report:
    """Ask the served model the cases, with a bar on standard error. EngineError, OSError or
    ValueError for a checkpoint that cannot be loaded."""
    plan = Plan(tuple(asked), is_dense=is_dense, goal=goal)
    directory = settings.model_dir
    num_threads = settings.num_threads or default_num_threads(directory)
    loaded, _, config = open_model(directory, num_threads, kernels_dir(settings))
    path = tokenizer_path(directory)
    tokenizer = Tokenizer.bundled() if path == bundled_path() else Tokenizer.from_file(path)
    chat_format = format_by_name(settings.model_format, tokenizer)
    with _progress() as tell:
        examination = Examination(loaded, lambda: Respondent(loaded, chat_format, config), tell)
        return examination.report(plan, _about(directory, num_threads))


def _about(directory: Path, num_threads: int) -> dict[str, str]:
    return {
        "model": directory.resolve().name,
        "fingerprint": fingerprint(directory),
        "date": SystemClock().now().date().isoformat(),
        "machine": f"{_processor()}, {os.cpu_count()} cores, {num_threads} used",
    }


def _processor() -> str:
    """The name the kernel gives it, or the architecture where there is no such file."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text("utf-8").splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


@contextmanager
def _progress() -> Iterator[Step]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task("loading the model", total=None)

        def tell(what: str, num_done: int, num_all: int) -> None:
            bar.update(task, description=what, completed=num_done, total=num_all)

        yield tell
