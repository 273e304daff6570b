"""Counting, and what is told of the counts."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from whalefall.chat.messages import Message, Role
from whalefall.evaluation.cases import Case, Rule
from whalefall.evaluation.judges import Reply, judge
from whalefall.evaluation.plot import as_svg
from whalefall.evaluation.report import Outcome, Report, as_markdown, as_record
from whalefall.evaluation.shares import Share

SVG = "{http://www.w3.org/2000/svg}"


def outcome(
    skill: str, said: str, *, variant: str = "", thinking: bool = False, temperature: float = 0.0
) -> Outcome:
    asked = (Message(Role.USER, f"{skill} <?>"),)
    case = Case(
        skill=skill, rule=Rule.TEXT, variant=variant, messages=asked, answer="yes",
        thinking=thinking,
    )  # fmt: skip
    reply = Reply(said)
    return Outcome(case, temperature, reply, judge(case, reply))


@pytest.fixture
def report() -> Report:
    outcomes = [
        outcome("talk", "yes"),
        outcome("talk", "no"),
        outcome("talk", "yes", temperature=1.0),
        outcome("sums & more", "yes", thinking=True),
        outcome("needle", "yes", variant="2048"),
        outcome("needle", "no", variant="1024"),
    ]
    dense = [outcome("needle", "yes", variant="1024"), outcome("needle", "yes", variant="2048")]
    return Report({"model": "m"}, outcomes, dense, Share(3, 4), 50.0)


@pytest.mark.parametrize(
    ("right", "asked", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (45, 50, 0.7864, 0.9565), (0, 0, 0.0, 1.0)],
)
def test_wilson_interval_is_the_textbook_one(
    right: int, asked: int, low: float, high: float
) -> None:
    assert Share(right, asked).interval == pytest.approx((low, high), abs=1e-4)


def test_a_skill_counts_apart_by_thinking_and_temperature(report: Report) -> None:
    assert report.skills == {
        "talk": Share(1, 2),
        "talk, temperature 1": Share(1, 1),
        "sums & more, thinking": Share(1, 1),
        "needle": Share(1, 2),
    }
    assert report.below_goal == ["talk", "needle"]
    assert report.details("needle") == {"2048 en": Share(1, 1), "1024 en": Share(0, 1)}


def test_needles_are_set_beside_each_other_by_length(report: Report) -> None:
    assert [(n.num_tokens, n.sparse, n.dense) for n in report.needle_lengths] == [
        (1024, Share(0, 1), Share(1, 1)),
        (2048, Share(1, 1), Share(1, 1)),
    ]


def test_the_record_and_the_page_say_the_same(report: Report) -> None:
    record, page = as_record(report), as_markdown(report, "plot.svg")
    assert record["decode_tokens_per_second"] == 50.0
    assert record["below_goal"] == ["talk", "needle"]
    wrong = record["wrong"]
    assert isinstance(wrong, dict)
    assert [each["content"] for each in wrong["talk"]] == ["no"]
    assert "| talk | 1/2 | 50% | 9% to 91% |" in page
    assert "| 1024 | 0/1 | 1/1 |" in page
    assert "75.0% of 4 tokens" in page
    assert "(plot.svg)" in page


def test_the_plot_is_well_formed_and_has_a_bar_for_everything(report: Report) -> None:
    root = ET.fromstring(as_svg(report))
    bars = [each.get("class") for each in root.iter(f"{SVG}rect")]
    texts = {each.text for each in root.iter(f"{SVG}text")}
    # Four skills and two lengths with DSA; each kind of bar has one more in the legend.
    assert sorted(filter(None, bars)).count("below") == 2
    assert bars.count("bar") == 2 + 2 + 1
    assert bars.count("dense") == 2 + 1
    assert {"sums & more, thinking", "goal 90%", "2,048"} <= texts


def test_a_report_without_needles_has_a_plot_and_a_page() -> None:
    report = Report({"model": "m"}, [outcome("talk", "yes")])
    ET.fromstring(as_svg(report))
    assert "DSA" not in as_markdown(report, "plot.svg")
