"""Bar charts as geometry: numbers in, rectangles and labels out. Templates draw them as SVG;
colours are the style sheet's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

WIDTH = 760
HEIGHT = 232
LEFT = 80
RIGHT = 8
TOP = 12
BOTTOM = 28
NUM_COLOURS = 6
_BAR_SHARE = 0.64
_NUM_TICKS = 4
_LABEL_GAP = 60
"""Labels along the foot keep at least this far apart."""


@dataclass(frozen=True, slots=True)
class Series:
    """One colour: a name and a value per column, none negative."""

    name: str
    values: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.values)


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    colour: int
    """1 to 6; 0 for everything beyond."""


@dataclass(frozen=True, slots=True)
class Column:
    """One day: where the pointer hits it and what is said then."""

    x: float
    width: float
    label: str
    lines: tuple[tuple[int, str, str], ...]
    """(colour, series, figure) for what is not zero, as stacked: top first."""
    total: str


@dataclass(frozen=True, slots=True)
class Mark:
    position: float
    text: str


@dataclass(frozen=True, slots=True)
class BarChart:
    bars: tuple[Bar, ...]
    columns: tuple[Column, ...]
    ticks: tuple[Mark, ...]
    labels: tuple[Mark, ...]
    is_empty: bool
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    foot: int = HEIGHT - BOTTOM


def stacked_bars(
    labels: Sequence[str], series: Sequence[Series], figure: Callable[[int], str]
) -> BarChart:
    """Bars stacked in the order of the series, the first at the foot. `figure` writes a value."""
    totals = [sum(each.values[index] for each in series) for index in range(len(labels))]
    top_value, step = _scale(max(totals, default=0))
    pitch = (WIDTH - LEFT - RIGHT) / max(len(labels), 1)
    per_unit = (HEIGHT - TOP - BOTTOM) / top_value
    bars = [
        bar for index in range(len(labels)) for bar in _column_bars(series, index, pitch, per_unit)
    ]
    columns = [
        Column(
            x=LEFT + index * pitch,
            width=pitch,
            label=label,
            lines=tuple(
                (colour_of(place), each.name, figure(each.values[index]))
                for place, each in reversed(list(enumerate(series)))
                if each.values[index]
            ),
            total=figure(totals[index]),
        )
        for index, label in enumerate(labels)
    ]
    ticks = [
        Mark(HEIGHT - BOTTOM - value * per_unit, figure(value))
        for value in range(0, top_value + 1, step)
    ]
    return BarChart(
        tuple(bars), tuple(columns), tuple(ticks), _foot_labels(labels, pitch), not any(totals)
    )


def colour_of(place: int) -> int:
    return place + 1 if place < NUM_COLOURS else 0


def _column_bars(series: Sequence[Series], index: int, pitch: float, per_unit: float) -> list[Bar]:
    bars: list[Bar] = []
    below = 0
    width = round(pitch * _BAR_SHARE, 2)
    x = round(LEFT + index * pitch + (pitch - width) / 2, 2)
    for place, each in enumerate(series):
        value = each.values[index]
        if value:
            y = HEIGHT - BOTTOM - (below + value) * per_unit
            bars.append(Bar(x, round(y, 2), width, round(value * per_unit, 2), colour_of(place)))
        below += value
    return bars


def _scale(largest: int) -> tuple[int, int]:
    """The axis' end and the distance of its ticks: 1, 2 or 5 times a power of ten."""
    if largest <= 0:
        return 1, 1
    step = 1
    while True:
        for factor in (1, 2, 5):
            if step * factor * _NUM_TICKS >= largest:
                chosen = step * factor
                return -(-largest // chosen) * chosen, chosen
        step *= 10


def _foot_labels(labels: Sequence[str], pitch: float) -> tuple[Mark, ...]:
    every = max(1, -(-_LABEL_GAP // max(int(pitch), 1)))
    return tuple(
        Mark(round(LEFT + (index + 0.5) * pitch, 2), label)
        for index, label in enumerate(labels)
        if index % every == 0
    )
