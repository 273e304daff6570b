"""What came of an evaluation, and how it is told: as a record for programs, as Markdown for people.

It must not know engines, files or the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from whalefall.evaluation.cases import Case
from whalefall.evaluation.judges import Reply, Verdict
from whalefall.evaluation.shares import Share

GOAL = 0.9
NEEDLE = "needle"
_NUM_WRONG_SHOWN = 5
_QUESTION_CHARACTERS_SHOWN = 160


@dataclass(frozen=True)
class Outcome:
    case: Case
    temperature: float
    reply: Reply
    verdict: Verdict

    @property
    def label(self) -> str:
        """The row it counts in: the skill, and how it was asked where that is not the usual."""
        how = ["thinking"] if self.case.thinking else []
        how += [f"temperature {self.temperature:g}"] if self.temperature else []
        return ", ".join([self.case.skill, *how])


@dataclass(frozen=True)
class NeedleLength:
    """One length of text, with the keys that the indexer selects and with all of them."""

    num_tokens: int
    sparse: Share
    dense: Share | None


@dataclass(frozen=True)
class Report:
    about: dict[str, str]
    """What was measured, where and when."""
    outcomes: Sequence[Outcome]
    dense_outcomes: Sequence[Outcome] = ()
    foretold: Share = field(default_factory=lambda: Share(0, 0))
    tokens_per_second: float = 0.0
    goal: float = GOAL

    @property
    def skills(self) -> dict[str, Share]:
        return shares(self.outcomes, lambda outcome: outcome.label)

    @property
    def observations(self) -> dict[str, Share]:
        """Greedy answers only, across skills."""
        found: dict[str, list[bool]] = {}
        for outcome in self.outcomes:
            if outcome.temperature == 0:
                for name, is_so in outcome.verdict.observations.items():
                    found.setdefault(name, []).append(is_so)
        return {name: Share(sum(each), len(each)) for name, each in sorted(found.items())}

    @property
    def needle_lengths(self) -> list[NeedleLength]:
        def by_length(outcomes: Iterable[Outcome]) -> dict[str, Share]:
            needles = (outcome for outcome in outcomes if outcome.case.skill == NEEDLE)
            return shares(needles, lambda outcome: outcome.case.variant)

        sparse, dense = by_length(self.outcomes), by_length(self.dense_outcomes)
        return [
            NeedleLength(int(length), sparse[length], dense.get(length))
            for length in sorted(sparse, key=int)
        ]

    @property
    def below_goal(self) -> list[str]:
        return [label for label, share in self.skills.items() if share.rate < self.goal]

    def details(self, label: str) -> dict[str, Share]:
        """A row by kind and language, where it has more than one of them."""
        found = shares(
            (outcome for outcome in self.outcomes if outcome.label == label),
            lambda outcome: " ".join(filter(None, (outcome.case.variant, outcome.case.language))),
        )
        return found if len(found) > 1 else {}


def shares(outcomes: Iterable[Outcome], name_of: Callable[[Outcome], str]) -> dict[str, Share]:
    found: dict[str, list[bool]] = {}
    for outcome in outcomes:
        found.setdefault(name_of(outcome), []).append(outcome.verdict.is_right)
    return {name: Share(sum(each), len(each)) for name, each in found.items()}


def as_record(report: Report) -> dict[str, object]:
    return {
        **report.about,
        "goal": report.goal,
        "below_goal": report.below_goal,
        "skills": {
            label: {
                **share.as_record(),
                "details": {k: v.as_record() for k, v in report.details(label).items()},
            }
            for label, share in report.skills.items()
        },
        "observations": {name: s.as_record() for name, s in report.observations.items()},
        "needle": [
            {
                "tokens": each.num_tokens,
                "sparse": each.sparse.as_record(),
                "dense": each.dense.as_record() if each.dense else None,
            }
            for each in report.needle_lengths
        ],
        "mtp_acceptance": report.foretold.as_record(),
        "decode_tokens_per_second": round(report.tokens_per_second, 1),
        "wrong": {label: wrong_answers(report, label) for label in report.skills},
    }


def wrong_answers(report: Report, label: str) -> list[dict[str, object]]:
    """The first few, so that a reader sees what kind of mistakes there are."""
    wrong = [o for o in report.outcomes if o.label == label and not o.verdict.is_right]
    return [
        {
            "question": outcome.case.question[-_QUESTION_CHARACTERS_SHOWN:],
            "expected": _expected(outcome.case),
            "content": outcome.reply.content,
            "calls": [f"{call.name} {call.arguments}" for call in outcome.reply.calls],
            "has_ended": outcome.reply.has_ended,
        }
        for outcome in wrong[:_NUM_WRONG_SHOWN]
    ]


def _expected(case: Case) -> object:
    if case.topics:
        return [list(group) for group in case.topics]
    return [f"{call.name} {call.arguments}" for call in case.calls] or case.answer


def as_markdown(report: Report, plot_name: str) -> str:
    about = ", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in report.about.items())
    parts = ["# Evaluation of the model", about, f"![Share of right answers]({plot_name})"]
    parts.append(_skills_table(report))
    parts.append(_table("observation", report.observations.items()))
    if report.needle_lengths:
        parts.append(_needle_table(report))
    parts.append(_figures(report))
    return "\n\n".join(parts) + "\n"


def _skills_table(report: Report) -> str:
    rows = []
    for label, share in report.skills.items():
        details = report.details(label).items()
        told = ", ".join(f"{name} {part.right}/{part.asked}" for name, part in details)
        rows.append(f"{_row(label, share)} {told} |")
    head = "| skill | right | share | 95 % interval | by kind and language |\n|---|---|---|---|---|"
    return "\n".join([head, *rows])


def _needle_table(report: Report) -> str:
    rows = [
        f"| {each.num_tokens} | {_told(each.sparse)} | {_told(each.dense)} |"
        for each in report.needle_lengths
    ]
    head = "| tokens before the question | DSA on | dense |\n|---|---|---|"
    return "\n".join([head, *rows])


def _figures(report: Report) -> str:
    lines = [f"One stream decodes {report.tokens_per_second:.0f} tokens per second."]
    if report.foretold.asked:
        lines.append(
            f"The MTP layer foretold {report.foretold.rate:.1%} of {report.foretold.asked} tokens "
            "of the model's own greedy answers."
        )
    return " ".join(lines)


def _table(name: str, rows: Iterable[tuple[str, Share]]) -> str:
    head = f"| {name} | of | share | 95 % interval |\n|---|---|---|---|"
    return "\n".join([head, *(_row(label, share) for label, share in rows)])


def _row(label: str, share: Share) -> str:
    low, high = share.interval
    return f"| {label} | {share.right}/{share.asked} | {share.rate:.0%} | {low:.0%} to {high:.0%} |"


def _told(share: Share | None) -> str:
    return f"{share.right}/{share.asked}" if share else "not asked"
