"""What the sandbox's Stripe remembers: sessions, payments, refunds, disputes and its books."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from whalefall.sandbox.refund_course import RefundCourse

AMOUNT_MIN = 50
"""Cents: Stripe takes nothing smaller."""
JsonObject = dict[str, Any]


class StripeRefusal(Exception):
    """What the API answers with an error."""

    def __init__(self, message: str, code: str = "", param: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.param = param


@dataclass
class StripeBooks:
    sessions: dict[str, JsonObject] = field(default_factory=dict)
    charges: dict[str, JsonObject] = field(default_factory=dict)
    """By the id of their payment intent."""
    refunds: dict[str, JsonObject] = field(default_factory=dict)
    disputes: dict[str, JsonObject] = field(default_factory=dict)
    """By the id of the payment intent they are about."""
    movements: list[JsonObject] = field(default_factory=list)
    """Balance transactions, oldest first."""
    refund_course: RefundCourse = RefundCourse.AT_ONCE

    def open_session(self, fields: Mapping[str, Any], url: str, now: datetime) -> JsonObject:
        item = _child(_child(fields, "line_items"), "0")
        price = _child(item, "price_data")
        amount = _whole(price, "unit_amount") * _whole(item, "quantity")
        if amount < AMOUNT_MIN:
            raise StripeRefusal("The amount is below Stripe's minimum.", "amount_too_small")
        expires_at = _whole(fields, "expires_at")
        age = expires_at - int(now.timestamp())
        if not 30 * 60 - 5 <= age <= 24 * 3600:
            raise StripeRefusal("It must lie 30 minutes to 24 hours ahead.", "", "expires_at")
        identifier = _new("cs_test")
        self.sessions[identifier] = {
            "id": identifier,
            "object": "checkout.session",
            "mode": "payment",
            "status": "open",
            "payment_status": "unpaid",
            "amount_total": amount,
            "currency": str(price["currency"]),
            "client_reference_id": fields.get("client_reference_id"),
            "metadata": dict(fields.get("metadata", {})),
            "payment_intent": None,
            "created": int(now.timestamp()),
            "expires_at": expires_at,
            "livemode": False,
            "success_url": fields.get("success_url"),
            "cancel_url": fields.get("cancel_url"),
            "url": f"{url}/{identifier}",
            "product": str(_child(price, "product_data")["name"]),
            "intent_metadata": dict(_child(fields, "payment_intent_data").get("metadata", {})),
        }
        return self.sessions[identifier]

    def session(self, identifier: str, now: datetime) -> JsonObject:
        found = self.sessions.get(identifier)
        if found is None:
            text = f"No such checkout session: '{identifier}'"
            raise StripeRefusal(text, "resource_missing", "session")
        if found["status"] == "open" and found["expires_at"] <= now.timestamp():
            found["status"] = "expired"
            found["url"] = None
        return found

    def expire(self, identifier: str, now: datetime) -> JsonObject:
        found = self.session(identifier, now)
        if found["status"] != "open":
            text = f"This session is {found['status']}; only open ones can be expired."
            raise StripeRefusal(text)
        found["status"] = "expired"
        found["url"] = None
        return found

    def pay(self, identifier: str, now: datetime) -> JsonObject:
        found = self.session(identifier, now)
        if found["status"] != "open":
            raise StripeRefusal(f"This session is {found['status']}.")
        intent = _new("pi")
        found |= {"status": "complete", "payment_status": "paid", "payment_intent": intent}
        charge = {
            "id": _new("ch"),
            "object": "charge",
            "amount": found["amount_total"],
            "currency": found["currency"],
            "payment_intent": intent,
            "metadata": found["intent_metadata"],
        }
        self.charges[intent] = charge
        self._book("charge", "charge", charge["amount"], charge, now)
        return found

    def refund(self, fields: Mapping[str, Any], now: datetime) -> JsonObject:
        intent, amount = str(fields.get("payment_intent", "")), _whole(fields, "amount")
        charge = self.charges.get(intent)
        if charge is None:
            text = f"No such payment_intent: '{intent}'"
            raise StripeRefusal(text, "resource_missing", "payment_intent")
        left = charge["amount"] - self.refunded(intent)
        if not 0 < amount <= left:
            text = f"Refund amount is greater than unrefunded amount on charge ({left})"
            raise StripeRefusal(
                text, "charge_already_refunded" if left == 0 else "amount_too_large"
            )
        if self.refund_course is RefundCourse.REFUSED:
            raise StripeRefusal("This charge has been charged back.", "charge_disputed")
        if self.refund_course is RefundCourse.NO_FUNDS:
            raise StripeRefusal("Insufficient funds in your account.", "balance_insufficient")
        made = {
            "id": _new("re"),
            "object": "refund",
            "amount": amount,
            "currency": charge["currency"],
            "payment_intent": intent,
            "charge": charge["id"],
            "status": "succeeded" if self.refund_course is RefundCourse.AT_ONCE else "pending",
            "metadata": dict(fields.get("metadata", {})),
            "created": int(now.timestamp()),
        }
        self.refunds[made["id"]] = made
        self._book("refund", "refund", -amount, made, now)
        return made

    def finish_refund(self, made: JsonObject, now: datetime) -> None:
        """What was late happens now, or fails."""
        if self.refund_course is RefundCourse.FAILS_LATE:
            made |= {"status": "failed", "failure_reason": "expired_or_canceled_card"}
            self._book("refund_failure", "refund_failure", made["amount"], made, now)
        else:
            made["status"] = "succeeded"

    def refunded(self, intent: str) -> int:
        made = (each for each in self.refunds.values() if each["payment_intent"] == intent)
        return sum(each["amount"] for each in made if each["status"] != "failed")

    def dispute(self, intent: str, now: datetime) -> JsonObject:
        """The payer's bank takes back all that is left."""
        charge = self.charges.get(intent)
        if charge is None or intent in self.disputes:
            raise StripeRefusal("There is nothing to dispute.")
        made = {
            "id": _new("du"),
            "object": "dispute",
            "amount": charge["amount"] - self.refunded(intent),
            "currency": charge["currency"],
            "payment_intent": intent,
            "charge": charge["id"],
            "status": "needs_response",
            "metadata": {},
        }
        self.disputes[intent] = made
        self._book("adjustment", "dispute", -made["amount"], made, now)
        return made

    def win_dispute(self, intent: str, now: datetime) -> JsonObject:
        made = self.disputes.get(intent)
        if made is None or made["status"] == "won":
            raise StripeRefusal("There is no dispute to win.")
        made["status"] = "won"
        self._book("adjustment", "dispute_reversal", made["amount"], made, now)
        return made

    def _book(
        self, kind: str, category: str, amount: int, source: JsonObject, now: datetime
    ) -> None:
        self.movements.append(
            {
                "id": _new("txn"),
                "object": "balance_transaction",
                "type": kind,
                "reporting_category": category,
                "amount": amount,
                "currency": source["currency"],
                "created": int(now.timestamp()),
                "source": source,
            }
        )


def _new(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"


def _child(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = fields.get(name)
    if not isinstance(found, Mapping):
        raise StripeRefusal(f"Missing required param: {name}.", "parameter_missing", name)
    return found


def _whole(fields: Mapping[str, Any], name: str) -> int:
    text = str(fields.get(name, ""))
    if not text.isascii() or not text.isdecimal():
        raise StripeRefusal(f"Invalid integer: {text}", "parameter_invalid_integer", name)
    return int(text)
