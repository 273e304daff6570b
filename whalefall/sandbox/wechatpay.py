"""The sandbox's WeChat Pay: API v3 as merchants call it, a page that plays the payer's phone, the
encrypted notices and the daily statement, with signatures made and checked as the real one does.

Written against WeChat Pay's documents, apart from the adapter it plays against: that the two agree
is what the tests of both are worth."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from whalefall.base.clock import Clock
from whalefall.base.signatures import is_signed, sign
from whalefall.sandbox.courier import Courier, Notice, NoticeReply
from whalefall.sandbox.money_text import yuan_from_fen
from whalefall.sandbox.pages import Button, render_page
from whalefall.sandbox.refund_course import RefundCourse
from whalefall.sandbox.times import BEIJING, rfc3339
from whalefall.sandbox.wechatpay_bill import bill_text
from whalefall.sandbox.wechatpay_books import Order, Refund, RefusedError, WechatPayBooks

LATE_SECONDS = 15.0
SCHEME = "WECHATPAY2-SHA256-RSA2048"
AGE_SECONDS_MAX = 300
Content = dict[str, Any]
_VALUE = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class WechatPayParty:
    """The merchant that this WeChat Pay serves, and the platform's own key."""

    app_id: str
    merchant_id: str
    merchant_serial: str
    merchant_public_key: RSAPublicKey
    api_v3_key: bytes
    platform_private_key: RSAPrivateKey
    public_key_id: str
    """What the platform's key is called: `PUB_KEY_ID_…`."""


class UnknownCallerError(Exception):
    """The request is not the merchant's: 401, and the reply is signed for nobody."""

    def __init__(self, message: str, detail: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail


class WechatPaySandbox:
    def __init__(
        self,
        party: WechatPayParty,
        clock: Clock,
        courier: Courier,
        late_seconds: float = LATE_SECONDS,
    ) -> None:
        self.books = WechatPayBooks(party.app_id, party.merchant_id)
        self._party = party
        self._clock = clock
        self._courier = courier
        self._late_seconds = late_seconds
        self._bill_tokens: dict[str, str] = {}

    @property
    def routes(self) -> list[Route]:
        """The gateway's own address ends in /wechatpay, which is not part of what is signed."""
        order = "/wechatpay/v3/pay/transactions/out-trade-no/{number}"
        refunds = "/wechatpay/v3/refund/domestic/refunds"
        return [
            self._signed_route("/wechatpay/v3/pay/transactions/native", self._native, "POST"),
            self._signed_route(order, self._query, "GET"),
            self._signed_route(f"{order}/close", self._close, "POST"),
            self._signed_route(refunds, self._refund, "POST"),
            self._signed_route(f"{refunds}/{{number}}", self._query_refund, "GET"),
            self._signed_route("/wechatpay/v3/bill/tradebill", self._bill_url, "GET"),
            Route("/wechatpay/v3/billdownload/file", self._bill),
            Route("/wechatpay/phone", self._phone),
            Route("/wechatpay/phone/{number}/{action}", self._act, methods=["POST"]),
            Route("/wechatpay/refunds/{course}", self._set_course, methods=["POST"]),
        ]

    def _signed_route(
        self, path: str, answer: Callable[[Request, Content], Content | None], method: str
    ) -> Route:
        return Route(path, self._signed(answer), methods=[method])

    def _signed(
        self, answer: Callable[[Request, Content], Content | None]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            try:
                await self._check_caller(request)
                told = answer(request, await _content(request))
            except UnknownCallerError as error:
                return self._refused_caller(error)
            except RefusedError as error:
                return self._reply(error.status, {"code": error.code, "message": error.message})
            return self._reply(204 if told is None else 200, told)

        return endpoint

    async def _check_caller(self, request: Request) -> None:
        scheme, _, rest = request.headers.get("authorization", "").partition(" ")
        values = dict(_VALUE.findall(rest))
        if scheme != SCHEME:
            raise UnknownCallerError("Http头Authorization认证类型不正确")
        if set(values) != {"mchid", "nonce_str", "signature", "timestamp", "serial_no"}:
            raise UnknownCallerError(
                "Http头Authorization值格式错误，请参考《微信支付商户REST API签名规则》"
            )
        if values["mchid"] != self._party.merchant_id:
            raise UnknownCallerError("商户号不存在")
        if values["serial_no"] != self._party.merchant_serial:
            raise UnknownCallerError("商户证书序列号有误。请使用签名私钥匹配的证书序列号")
        now = self._clock.now().timestamp()
        if (
            not values["timestamp"].isdigit()
            or abs(now - int(values["timestamp"])) > AGE_SECONDS_MAX
        ):
            raise UnknownCallerError(
                "Http头Authorization中的timestamp与发起请求的时间不得超过5分钟"
            )
        path = request.url.path.removeprefix("/wechatpay")
        path += f"?{request.url.query}" if request.url.query else ""
        head = f"{request.method}\n{path}\n{values['timestamp']}\n{values['nonce_str']}\n"
        message = head.encode() + await request.body() + b"\n"
        if not is_signed(self._party.merchant_public_key, message, values["signature"]):
            raise UnknownCallerError("错误的签名，验签失败", _sign_detail(request, path, message))

    def _refused_caller(self, error: UnknownCallerError) -> Response:
        told: dict[str, Any] = {"code": "SIGN_ERROR", "message": error.message}
        if error.detail:
            told["detail"] = error.detail
        return Response(json.dumps(told, ensure_ascii=False), 401, media_type="application/json")

    def _reply(self, status: int, told: Mapping[str, Any] | None) -> Response:
        body = b"" if told is None else json.dumps(told, ensure_ascii=False).encode()
        return Response(body, status, self._signature(body), "application/json")

    def _signature(self, body: bytes) -> dict[str, str]:
        timestamp, nonce = int(self._clock.now().timestamp()), secrets.token_hex(16)
        message = f"{timestamp}\n{nonce}\n".encode() + body + b"\n"
        return {
            "Wechatpay-Serial": self._party.public_key_id,
            "Wechatpay-Timestamp": str(timestamp),
            "Wechatpay-Nonce": nonce,
            "Wechatpay-Signature": sign(self._party.platform_private_key, message),
            "Wechatpay-Signature-Type": SCHEME,
        }

    def _native(self, request: Request, content: Content) -> dict[str, Any]:  # noqa: ARG002
        return {"code_url": self.books.open(content, self._clock.now()).code_url}

    def _query(self, request: Request, content: Content) -> dict[str, Any]:  # noqa: ARG002
        if request.query_params.get("mchid") != self._party.merchant_id:
            raise RefusedError(400, "PARAM_ERROR", "参数错误: mchid")
        number = request.path_params["number"]
        return self.books.told(self.books.require(number, self._clock.now()))

    def _close(self, request: Request, content: Content) -> None:
        self.books.close(request.path_params["number"], content, self._clock.now())

    def _refund(self, request: Request, content: Content) -> dict[str, Any]:  # noqa: ARG002
        """API v3 always takes a refund first; `at once` is a moment after that."""
        is_new = str(content.get("out_refund_no", "")) not in {
            number for order in self.books.orders.values() for number in order.refunds
        }
        order, refund = self.books.refund(content, self._clock.now())
        told = self.books.told_refund(order, refund)
        if is_new:
            is_late = self.books.refund_course is not RefundCourse.AT_ONCE
            fails = self.books.refund_course is RefundCourse.FAILS_LATE
            status = "CLOSED" if fails else "SUCCESS"
            self._courier.later(
                self._late_seconds if is_late else 0.0,
                lambda: self.finish_refund(order, refund, status),
            )
        return told

    def finish_refund(self, order: Order, refund: Refund, status: str) -> None:
        """What was under way ends: SUCCESS, or CLOSED when the money stays with the merchant."""
        if refund.status != "PROCESSING":
            return
        self.books.finish_refund(refund, status, self._clock.now())
        told = self.books.told_refund(order, refund)
        names = ("transaction_id", "out_trade_no", "refund_id", "out_refund_no")
        resource = {
            "mchid": self._party.merchant_id,
            **{name: told[name] for name in names},
            "refund_status": refund.status,
            "user_received_account": told["user_received_account"],
            "amount": {
                name: told["amount"][name]
                for name in ("total", "refund", "payer_total", "payer_refund")
            },
        }
        if "success_time" in told:
            resource["success_time"] = told["success_time"]
        self._notify(refund.notify_url, f"REFUND.{refund.status}", "refund", resource)

    def _query_refund(self, request: Request, content: Content) -> dict[str, Any]:  # noqa: ARG002
        return self.books.told_refund(*self.books.find_refund(request.path_params["number"]))

    def _notify(
        self, url: str, event_type: str, original_type: str, resource: Mapping[str, Any]
    ) -> None:
        """Every try is encrypted and signed anew; what happened keeps its id."""
        if not url:
            return
        notice = {
            "id": secrets.token_hex(16),
            "create_time": rfc3339(self._clock.now()),
            "resource_type": "encrypt-resource",
            "event_type": event_type,
            "summary": "支付成功" if original_type == "transaction" else "退款",
        }

        def write() -> Notice:
            sealed = self._sealed(original_type, json.dumps(resource).encode())
            body = json.dumps({**notice, "resource": sealed}, ensure_ascii=False).encode()
            return Notice(url, {"Content-Type": "application/json", **self._signature(body)}, body)

        self._courier.send(write, _is_taken)

    def _sealed(self, original_type: str, content: bytes) -> dict[str, str]:
        nonce = secrets.token_hex(6)
        cipher = AESGCM(self._party.api_v3_key)
        sealed = cipher.encrypt(nonce.encode(), content, original_type.encode())
        return {
            "original_type": original_type,
            "algorithm": "AEAD_AES_256_GCM",
            "ciphertext": base64.b64encode(sealed).decode(),
            "associated_data": original_type,
            "nonce": nonce,
        }

    async def _phone(self, request: Request) -> Response:
        """With a code it shows that order; without, the codes that can be scanned."""
        code = request.query_params.get("code", "")
        now = self._clock.now()
        if not code:
            return HTMLResponse(render_page("微信 · WeChat", [], [], self._scannable()))
        try:
            order = self.books.by_code(code, now)
        except RefusedError as error:
            lines = [("错误 · error", error.message)]
            return HTMLResponse(render_page("微信支付 · WeChat Pay", lines, []), 404)
        return HTMLResponse(_order_page(order))

    def _scannable(self) -> list[tuple[str, str]]:
        orders = (each for each in self.books.orders.values() if each.state == "NOTPAY")
        return [
            (f"扫码 · scan: {each.description}, ¥{yuan_from_fen(each.fen)}", _phone_link(each))
            for each in orders
        ]

    async def _act(self, request: Request) -> Response:
        number, action = request.path_params["number"], request.path_params["action"]
        try:
            order = self.books.require(number, self._clock.now())
            if action == "pay":
                self.books.pay(number, self._clock.now())
                told = self.books.told(order)
                self._notify(order.notify_url, "TRANSACTION.SUCCESS", "transaction", told)
                return RedirectResponse(_phone_link(order), 303)
        except RefusedError as error:
            lines = [("错误 · error", error.message)]
            return HTMLResponse(render_page("微信支付 · WeChat Pay", lines, []), error.status)
        return RedirectResponse("/wechatpay/phone", 303)

    def _bill_url(self, request: Request, content: Content) -> dict[str, Any]:  # noqa: ARG002
        day = request.query_params.get("bill_date", "")
        if day >= self._clock.now().astimezone(BEIJING).date().isoformat():
            raise RefusedError(400, "INVALID_REQUEST", "请检查bill_date")
        text = self._bill_text(day)
        if not text:
            raise RefusedError(400, "NO_STATEMENT_EXIST", "账单文件不存在")
        token = secrets.token_urlsafe(24)
        self._bill_tokens[token] = day
        address = f"{request.base_url}wechatpay/v3/billdownload/file?token={token}"
        digest = hashlib.sha1(text, usedforsecurity=False).hexdigest()
        return {"hash_type": "SHA1", "hash_value": digest, "download_url": address}

    async def _bill(self, request: Request) -> Response:
        try:
            await self._check_caller(request)
        except UnknownCallerError as error:
            return self._refused_caller(error)
        day = self._bill_tokens.get(request.query_params.get("token", ""))
        if day is None:
            return self._reply(400, {"code": "INVALID_REQUEST", "message": "参数错误"})
        return Response(gzip.compress(self._bill_text(day)), media_type="application/octet-stream")

    def _bill_text(self, day: str) -> bytes:
        orders = self.books.orders.values()
        return bill_text(self._party.app_id, self._party.merchant_id, orders, day)

    async def _set_course(self, request: Request) -> Response:
        self.books.refund_course = RefundCourse(request.path_params["course"])
        return RedirectResponse("/", 303)


async def _content(request: Request) -> Content:
    body = await request.body()
    try:
        content = json.loads(body or b"{}")
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise RefusedError(400, "PARAM_ERROR", "请求不是JSON对象")
    return content


def _sign_detail(request: Request, path: str, message: bytes) -> dict[str, Any]:
    return {
        "field": "signature",
        "issue": "sign not match",
        "location": "authorization",
        "sign_information": {
            "method": request.method,
            "url": path,
            "truncated_sign_message": message.decode(errors="replace")[:160],
            "sign_message_length": len(message),
        },
    }


def _order_page(order: Order) -> str:
    link = f"/wechatpay/phone/{order.out_trade_no}"
    buttons = [
        Button("pay", "立即支付 · Pay", f"{link}/pay", is_main=True),
        Button("cancel", "放弃 · Cancel", f"{link}/cancel"),
    ]
    return render_page(
        "微信支付 · WeChat Pay",
        [
            ("商品 · for", order.description),
            ("金额 · amount", f"¥{yuan_from_fen(order.fen)}"),
            ("订单 · order", order.out_trade_no),
            ("状态 · state", order.state),
        ],
        buttons if order.state == "NOTPAY" else [],
    )


def _phone_link(order: Order) -> str:
    return f"/wechatpay/phone?code={order.code_url.replace('?', '%3F').replace('=', '%3D')}"


def _is_taken(reply: NoticeReply) -> bool:
    return reply.status in (200, 204)
