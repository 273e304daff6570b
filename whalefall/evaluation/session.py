"""One evaluation from the cases to the report: what is asked of whom, how often, in which order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from whalefall.engine.models.deepseek_v32 import DeepseekV32ForCausalLM
from whalefall.evaluation.cases import Case, Rule
from whalefall.evaluation.judges import judge
from whalefall.evaluation.report import GOAL, NEEDLE, Outcome, Report
from whalefall.evaluation.respondent import Respondent, Transcript, attend_to_everything
from whalefall.evaluation.shares import Share
from whalefall.evaluation.speculation import acceptance

DEFAULT_TEMPERATURE = 1.0
"""What the API samples with unless told otherwise; talk is judged at it besides."""
NUM_FORETOLD_TRANSCRIPTS = 100
_PROMPT_TOKENS_FORETOLD_MAX = 512
_NUM_TIMED_TOKENS = 128

Step = Callable[[str, int, int], None]
"""Called with what is being done, how many cases are done, and of how many."""


@dataclass(frozen=True)
class Plan:
    cases: Sequence[Case]
    with_dense: bool = True
    """Ask for the needles once more with attention to every key."""
    is_dense: bool = False
    """Ask everything with attention to every key."""
    goal: float = GOAL


@dataclass(frozen=True)
class Examination:
    """Asks a model. `open_respondent` makes one that runs the model as it is at that moment."""

    model: DeepseekV32ForCausalLM
    open_respondent: Callable[[], Respondent]
    tell: Step

    def report(self, plan: Plan, about: dict[str, str]) -> Report:
        """Raises EngineError when the model cannot be run."""
        if plan.is_dense:
            attend_to_everything(self.model)
        respondent = self.open_respondent()
        self.tell("measuring the speed", 0, 1)
        speed = respondent.tokens_per_second(_NUM_TIMED_TOKENS)
        greedy = self._transcripts(respondent, plan.cases, 0.0, "asking")
        sampled = self._transcripts(
            respondent, _talk(plan.cases), DEFAULT_TEMPERATURE, "asking at temperature 1"
        )
        foretold = self._foretold(greedy)
        needles = [case for case in plan.cases if case.skill == NEEDLE]
        dense = self._dense(needles) if plan.with_dense and not plan.is_dense else []
        return Report(
            about=about,
            outcomes=[*_outcomes(greedy, 0.0), *_outcomes(sampled, DEFAULT_TEMPERATURE)],
            dense_outcomes=_outcomes(dense, 0.0),
            foretold=foretold,
            tokens_per_second=speed,
            goal=plan.goal,
        )

    def _transcripts(
        self, respondent: Respondent, cases: Sequence[Case], temperature: float, what: str
    ) -> list[Transcript]:
        """In the order of the cases."""
        places = {id(case): place for place, case in enumerate(cases)}
        found: list[Transcript] = []
        for transcript in respondent.transcripts(cases, temperature):
            found.append(transcript)
            self.tell(what, len(found), len(cases))
        return sorted(found, key=lambda transcript: places[id(transcript.case)])

    def _dense(self, needles: Sequence[Case]) -> list[Transcript]:
        if not needles or not self.model.config.has_indexer:
            return []
        attend_to_everything(self.model)
        return self._transcripts(self.open_respondent(), needles, 0.0, "needles, dense")

    def _foretold(self, transcripts: Sequence[Transcript]) -> Share:
        """Of answers spread over the skills; nothing without an MTP layer."""
        if self.model.mtp_layer is None:
            return Share(0, 0)
        short = [t for t in transcripts if len(t.prompt_ids) <= _PROMPT_TOKENS_FORETOLD_MAX]
        every = max(1, len(short) // NUM_FORETOLD_TRANSCRIPTS)
        right = asked = 0
        end_ids = self.model.config.eos_token_ids[:1]
        for place, transcript in enumerate(short[::every]):
            self.tell("asking the MTP layer", place, len(short[::every]))
            said = transcript.output_ids + (end_ids if transcript.reply.has_ended else ())
            share = acceptance(self.model, transcript.prompt_ids, said)
            right, asked = right + share.right, asked + share.asked
        return Share(right, asked)


def _talk(cases: Sequence[Case]) -> list[Case]:
    return [case for case in cases if case.rule is Rule.TOPICS and not case.thinking]


def _outcomes(transcripts: Sequence[Transcript], temperature: float) -> list[Outcome]:
    return [Outcome(t.case, temperature, t.reply, judge(t.case, t.reply)) for t in transcripts]
