"""Who decides about a claim: a checker is asked once, right after it was made. It may know a
register and decide by itself, or leave the claim to an operator, as the one below always does.

A checker runs outside any transaction and may take its time; one that fails leaves the claim to an
operator, too."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Protocol

from whalefall.accounts.verification import Claim


class Decision(enum.StrEnum):
    APPROVE = "approve"
    REJECT = "reject"
    ASK_OPERATOR = "ask_operator"


@dataclass(frozen=True, slots=True)
class Verdict:
    decision: Decision
    reason: str = ""
    """Of a rejection, told to the user."""


class IdentityChecker(Protocol):
    @property
    def name(self) -> str:
        """Stands where an operator's address would."""
        ...

    async def check(self, claim: Claim) -> Verdict: ...


class OperatorDecides:
    name = "operator"

    async def check(self, claim: Claim) -> Verdict:  # noqa: ARG002 - whatever it says
        return Verdict(Decision.ASK_OPERATOR)
