"""`whalefall bench …`: what the model can do, measured."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from whalefall.cli.output import AsJSON, fail, settings_from, write_json, write_rows
from whalefall.engine.errors import EngineError
from whalefall.evaluation.cases import BUNDLED, CasesError, chosen, read_cases
from whalefall.evaluation.plot import as_svg
from whalefall.evaluation.report import GOAL, Report, as_markdown, as_record

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
        goal = GOAL if require is None else require
        # The model needs torch, whose import takes seconds that no other command should wait for.
        examination = importlib.import_module("whalefall.cli.examination")
        report: Report = examination.examined(settings, asked, is_dense=dense, goal=goal)
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
