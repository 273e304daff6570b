"""Draws the loss curve of a run: `python -m training.plot runs/whalefall-tiny docs/curve.svg`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

_SMOOTHING = 25
"""Steps in one averaged point: neighbouring batches hold texts of very different kinds."""
_NAMES = {
    "copying": "copying drills",
    "main": "main model",
    "long": "long texts",
    "again": "short texts again",
    "mtp": "MTP layer",
    "indexer": "indexers (KL)",
    "sparse": "with the indexers' choice",
}


def draw(metrics: Sequence[Path], output: Path) -> None:
    """One curve per phase over the tokens seen so far, of one run or of several in a row."""
    rows = [row for file in metrics for row in last_of_each_step(file.read_text())]
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for phase in dict.fromkeys(row["phase"] for row in rows):
        points = [(row["tokens"] / 1e6, row["loss"]) for row in rows if row["phase"] == phase]
        label = _NAMES.get(phase, phase)
        axes.plot(
            *zip(*smoothed(points), strict=True),
            label=label,
            linewidth=1.2,
            marker=".",
            markersize=2,
        )
    axes.set_xlabel("tokens seen, millions")
    axes.set_ylabel("loss, nats per token")
    axes.set_yscale("log")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(output)


def last_of_each_step(text: str) -> list[dict[str, Any]]:
    """A run that was killed says some steps again; the later ones are those it went on from."""
    rows = {row["step"]: row for row in map(json.loads, text.splitlines())}
    return [rows[step] for step in sorted(rows)]


def smoothed(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Means over consecutive stretches; what is left over at the end belongs to the last one."""
    starts = range(0, max(len(points) - _SMOOTHING // 2, 1), _SMOOTHING)
    ends = [*starts[1:], len(points)]
    stretches = [points[start:end] for start, end in zip(starts, ends, strict=True)]
    return [
        (sum(x for x, _ in part) / len(part), sum(y for _, y in part) / len(part))
        for part in stretches
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m training.plot", description=__doc__)
    parser.add_argument("run_dirs", type=Path, nargs="+")
    parser.add_argument("output", type=Path)
    options = parser.parse_args(arguments)
    draw([run_dir / "metrics.jsonl" for run_dir in options.run_dirs], options.output)


if __name__ == "__main__":
    main()
