"""`whalefall bench …`: what the model can do, measured."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from whalefall.app import default_num_threads, tokenizer_path
from whalefall.base.clock import SystemClock
from whalefall.chat.formats.registry import format_by_name
from whalefall.chat.tokenizer import Tokenizer, bundled_path
from whalefall.cli.output import AsJSON, fail, settings_from, write_json, write_rows
from whalefall.engine.errors import EngineError
from whalefall.engine.process import fingerprint
from whalefall.evaluation.cases import BUNDLED, CasesError, chosen, read_cases
from whalefall.evaluation.plot import as_svg
from whalefall.evaluation.report import GOAL, Report, as_markdown, as_record
from whalefall.evaluation.respondent import Respondent, open_model
from whalefall.evaluation.session import Examination, Plan, Step
from whalefall.settings import Settings

PLOT_NAME = "model-evaluation.svg"

app = typer.Typer(help="Measurements.", no_args_is_help=True)


@app.callback()
def bench() -> None:
    """Measurements."""


@app.command()
def model(
    model_dir: Annotated[
        Path | None, typer.Option(help="A checkpoint directory; the served one if not given.")
    ] = None,
    cases: Annotated[Path, typer.Option(help="Cases, a JSON object per line.")] = BUNDLED,
    skill: Annotated[list[str] | None, typer.Option(help="Only this one; repeatable.")] = None,
    cases_per_skill: Annotated[int | None, typer.Option(min=1, help="At most so many.")] = None,
    dense: Annotated[
        bool, typer.Option("--dense", help="Attend to every key, without the indexer's choice.")
    ] = False,
    require: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="End with status 1 when a skill is below, e.g. 0.9."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder for the report: Markdown, JSON and an SVG plot.")
    ] = None,
    as_json: AsJSON = False,
) -> None:
    """Ask the model held-out questions of every skill and count the right answers.

    Greedy, as served; talk also at the API's default temperature. Also measured: needles in long
    texts with sparse and with dense attention, what the MTP layer foretells, and the speed."""
    settings = settings_from(model_dir=model_dir)
    try:
        asked = chosen(read_cases(cases), skill or (), cases_per_skill)
        plan = Plan(asked, is_dense=dense, goal=GOAL if require is None else require)
        report = _report(settings, plan)
    except (CasesError, EngineError, OSError, ValueError) as error:
        fail(str(error))
    if output is not None:
        _write(output, report)
    if as_json:
        write_json(as_record(report))
    else:
        _show(report)
    if require is not None and report.below_goal:
        raise typer.Exit(1)


def _report(settings: Settings, plan: Plan) -> Report:
    directory = settings.model_dir
    num_threads = settings.num_threads or default_num_threads(directory)
    loaded, _, config = open_model(directory, num_threads)
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


def _write(folder: Path, report: Report) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(as_record(report), ensure_ascii=False, indent=2) + "\n"
    (folder / "report.json").write_text(text, "utf-8")
    (folder / "report.md").write_text(as_markdown(report, PLOT_NAME), "utf-8")
    (folder / PLOT_NAME).write_text(as_svg(report), "utf-8")


def _show(report: Report) -> None:
    rows = []
    for label, share in {**report.skills, **report.observations}.items():
        low, high = share.interval
        rows.append({
            "skill or observation": label,
            "right": f"{share.right}/{share.asked}",
            "share": f"{share.rate:.0%}",
            "95 % interval": f"{low:.0%} to {high:.0%}",
        })  # fmt: skip
    write_rows("Evaluation", rows, as_json=False)
    console = Console(highlight=False)
    for needle in report.needle_lengths:
        dense = f", dense {needle.dense.rate:.0%}" if needle.dense else ""
        console.print(f"needle in {needle.num_tokens} tokens: DSA {needle.sparse.rate:.0%}{dense}")
    if report.foretold.asked:
        console.print(f"the MTP layer foretells {report.foretold.rate:.1%} of the tokens")
    console.print(f"one stream decodes {report.tokens_per_second:.0f} tokens per second")
