"""The sandbox's Stripe: the API that merchants call, the page where somebody pays, and webhooks,
signed as the real ones are.

Written against Stripe's documents, apart from the adapter it plays against."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from whalefall.base.clock import Clock
from whalefall.sandbox.courier import Courier, Notice, NoticeReply
from whalefall.sandbox.pages import Button, render_page
from whalefall.sandbox.refund_course import RefundCourse
from whalefall.sandbox.stripe_books import JsonObject, StripeBooks, StripeRefusal

LATE_SECONDS = 15.0
API_VERSION = "2026-08-26.basil"


@dataclass(frozen=True, slots=True)
class StripeParty:
    """The merchant that this Stripe serves, as set up in its dashboard."""

    secret_key: str
    webhook_secret: str
    webhook_url: str


def new_stripe(webhook_url: str) -> StripeParty:
    """Secrets made anew at every start."""
    return StripeParty(
        f"sk_test_{secrets.token_hex(24)}", f"whsec_{secrets.token_hex(24)}", webhook_url
    )


class StripeSandbox:
    def __init__(
        self,
        party: StripeParty,
        clock: Clock,
        courier: Courier,
        late_seconds: float = LATE_SECONDS,
    ) -> None:
        self.books = StripeBooks()
        self._party = party
        self._clock = clock
        self._courier = courier
        self._late_seconds = late_seconds
        self._answers: dict[str, tuple[bytes, JsonObject]] = {}
        """By idempotency key: what was asked and answered."""

    @property
    def routes(self) -> list[Route]:
        return [
            Route("/stripe/v1/{rest:path}", self._api, methods=["GET", "POST"]),
            Route("/stripe/pay/{session}", self._page),
            Route("/stripe/pay/{session}/{action}", self._act, methods=["POST"]),
            Route("/stripe/refunds/{course}", self._set_course, methods=["POST"]),
        ]

    async def _api(self, request: Request) -> Response:
        given = request.headers.get("authorization", "")
        if not secrets.compare_digest(given.encode(), f"Bearer {self._party.secret_key}".encode()):
            return _error("Invalid API Key provided.", "", "", 401)
        body = await request.body()
        text = body.decode() if request.method == "POST" else request.url.query
        try:
            fields = _nested(parse_qsl(text, keep_blank_values=True))
            return JSONResponse(self._answer(request, body, fields))
        except StripeRefusal as error:
            return _error(error.message, error.code, error.param, 400)

    def _answer(self, request: Request, body: bytes, fields: Mapping[str, Any]) -> JsonObject:
        """The same idempotency key gets the same answer, and is good for nothing else."""
        key = request.headers.get("idempotency-key", "")
        asked = request.url.path.encode() + b"\n" + body
        if request.method == "POST" and key in self._answers:
            before, answer = self._answers[key]
            if before != asked:
                raise StripeRefusal("Keys for idempotent requests can only be used once.")
            return answer
        answer = self._called(request, fields)
        if request.method == "POST" and key:
            self._answers[key] = (asked, answer)
        return answer

    def _called(self, request: Request, fields: Mapping[str, Any]) -> JsonObject:
        now = self._clock.now()
        match request.method, request.path_params["rest"].split("/"):
            case "POST", ["checkout", "sessions"]:
                page = f"{request.base_url}stripe/pay"
                return self.books.open_session(fields, page, now)
            case "GET", ["checkout", "sessions", identifier]:
                return self.books.session(identifier, now)
            case "POST", ["checkout", "sessions", identifier, "expire"]:
                return self.books.expire(identifier, now)
            case "POST", ["refunds"]:
                return self._refund(fields)
            case "GET", ["refunds"]:
                intent = fields.get("payment_intent")
                made = self.books.refunds.values()
                return _list(
                    [each for each in made if each["payment_intent"] == intent], "/v1/refunds"
                )
            case "GET", ["balance_transactions"]:
                return self._movements(fields)
        raise StripeRefusal("Unrecognized request URL.")

    def _refund(self, fields: Mapping[str, Any]) -> JsonObject:
        made = self.books.refund(fields, self._clock.now())
        self._tell("refund.created", made)
        if made["status"] == "pending":
            self._courier.later(self._late_seconds, lambda: self._finish_refund(made))
        return made

    def _finish_refund(self, made: JsonObject) -> None:
        self.books.finish_refund(made, self._clock.now())
        self._tell("refund.failed" if made["status"] == "failed" else "refund.updated", made)

    def _movements(self, fields: Mapping[str, Any]) -> JsonObject:
        """Newest first, page by page, as Stripe lists them."""
        span = fields["created"]
        first, after = int(span["gte"]), int(span["lt"])
        found = [each for each in self.books.movements if first <= each["created"] < after]
        found.reverse()
        last = fields.get("starting_after")
        if last:
            found = found[1 + [each["id"] for each in found].index(last) :]
        limit = int(fields.get("limit", 10))
        return _list(found[:limit], "/v1/balance_transactions", has_more=len(found) > limit)

    async def _page(self, request: Request) -> Response:
        try:
            session = self.books.session(request.path_params["session"], self._clock.now())
        except StripeRefusal as error:
            return HTMLResponse(render_page("Stripe", [("Error", error.message)], []), 404)
        return HTMLResponse(_pay_page(session, self.books))

    async def _act(self, request: Request) -> Response:
        session = request.path_params["session"]
        try:
            return self._acted(session, request.path_params["action"])
        except StripeRefusal as error:
            return HTMLResponse(render_page("Stripe", [("Error", error.message)], []), 400)

    def _acted(self, identifier: str, action: str) -> Response:
        now = self._clock.now()
        session = self.books.session(identifier, now)
        page = f"/stripe/pay/{identifier}"
        match action:
            case "pay":
                paid = self.books.pay(identifier, now)
                self._tell("checkout.session.completed", paid)
                return RedirectResponse(str(paid["success_url"]), 303)
            case "cancel":
                return RedirectResponse(str(session["cancel_url"]), 303)
            case "dispute":
                made = self.books.dispute(str(session["payment_intent"]), now)
                self._tell("charge.dispute.funds_withdrawn", made)
            case "win":
                made = self.books.win_dispute(str(session["payment_intent"]), now)
                self._tell("charge.dispute.funds_reinstated", made)
            case _:
                raise StripeRefusal("There is no such button.")
        return RedirectResponse(page, 303)

    async def _set_course(self, request: Request) -> Response:
        self.books.refund_course = RefundCourse(request.path_params["course"])
        return RedirectResponse("/", 303)

    def _tell(self, kind: str, subject: JsonObject) -> None:
        event = {
            "id": f"evt_{secrets.token_hex(12)}",
            "object": "event",
            "api_version": API_VERSION,
            "type": kind,
            "created": int(self._clock.now().timestamp()),
            "livemode": False,
            "data": {"object": json.loads(json.dumps(subject))},
        }
        body = json.dumps(event).encode()
        self._courier.send(lambda: self.notice(body), _is_taken)

    def notice(self, body: bytes) -> Notice:
        """Signed as of now."""
        at = int(self._clock.now().timestamp())
        signed = f"{at}.".encode() + body
        key = self._party.webhook_secret.encode()
        digest = hmac.new(key, signed, hashlib.sha256).hexdigest()
        headers = {"content-type": "application/json", "stripe-signature": f"t={at},v1={digest}"}
        return Notice(self._party.webhook_url, headers, body)


def _pay_page(session: JsonObject, books: StripeBooks) -> str:
    link, intent = f"/stripe/pay/{session['id']}", session["payment_intent"]
    buttons = []
    if session["status"] == "open":
        buttons = [
            Button("pay", "Pay", f"{link}/pay", is_main=True),
            Button("cancel", "Cancel", f"{link}/cancel"),
        ]
    elif intent and intent not in books.disputes:
        buttons = [Button("dispute", "Dispute as the card's bank", f"{link}/dispute")]
    elif intent and books.disputes[intent]["status"] != "won":
        buttons = [Button("win", "Let the merchant win the dispute", f"{link}/win")]
    amount = f"{session['amount_total'] // 100}.{session['amount_total'] % 100:02}"
    lines = [
        ("For", session["product"]),
        ("Amount", f"{amount} {session['currency'].upper()}"),
        ("Order", str(session["client_reference_id"])),
        ("State", f"{session['status']}, {session['payment_status']}"),
    ]
    return render_page("Stripe Checkout", lines, buttons)


def _nested(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """`a[b][0]=c` as {"a": {"b": {"0": "c"}}}."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        first, *rest = [re.sub(r"]$", "", part) for part in name.split("[")]
        place, key = found, first
        for part in rest:
            place = place.setdefault(key, {})
            key = part
        place[key] = value
    return found


def _list(found: list[JsonObject], url: str, *, has_more: bool = False) -> JsonObject:
    """`url` is where the library goes for the next page."""
    return {"object": "list", "data": found, "has_more": has_more, "url": url}


def _error(message: str, code: str, param: str, status: int) -> Response:
    error = {"type": "invalid_request_error", "message": message}
    error |= {name: value for name, value in (("code", code), ("param", param)) if value}
    return JSONResponse({"error": error}, status)


def _is_taken(reply: NoticeReply) -> bool:
    return 200 <= reply.status < 300
