"""Draws the loss curve of a run: `python -m training.plot runs/whalefall-tiny docs/curve.svg`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

_SMOOTHING = 25
"""Steps in one averaged point: neighbouring batches hold texts of very different kinds."""
_NAMES = {"main": "main model", "mtp": "MTP layer", "indexer": "indexers (KL)"}


def draw(metrics: Sequence[Path], output: Path) -> None:
    """One curve per phase over the tokens seen so far, of one run or of several in a row."""
    rows = [json.loads(line) for file in metrics for line in file.read_text().splitlines()]
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for phase, label in _NAMES.items():
        points = [(row["tokens"] / 1e6, row["loss"]) for row in rows if row["phase"] == phase]
        if points:
            axes.plot(*zip(*smoothed(points), strict=True), label=label, linewidth=1.2)
    axes.set_xlabel("tokens seen, millions")
    axes.set_ylabel("loss, nats per token")
    axes.set_yscale("log")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(output)


def smoothed(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Means over consecutive stretches."""
    stretches = [points[i : i + _SMOOTHING] for i in range(0, len(points), _SMOOTHING)]
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
