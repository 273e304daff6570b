"""The sandbox's Alipay: the gateway that merchants call, the page where somebody pays, the notices
and the daily statement, with signatures made and checked as the real one does.

Written against Alipay's documents, apart from the adapter it plays against: that the two agree is
what the tests of both are worth."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from whalefall.base.clock import Clock
from whalefall.base.signatures import is_signed, sign
from whalefall.sandbox.alipay_bill import bill_archive
from whalefall.sandbox.alipay_books import TEXTS, AlipayBooks, BusinessError, Trade
from whalefall.sandbox.courier import Courier, Notice, NoticeReply
from whalefall.sandbox.money_text import yuan_from_fen
from whalefall.sandbox.pages import Button, render_page
from whalefall.sandbox.refund_course import RefundCourse
from whalefall.sandbox.times import BEIJING, beijing_text, instant_from_beijing

LATE_SECONDS = 15.0
INVALID_APP = "isv.invalid-app-id"
REQUIRED = {
    "app_id": "app-id",
    "method": "method",
    "charset": "charset",
    "sign_type": "signature-type",
    "sign": "signature",
    "timestamp": "timestamp",
    "version": "version",
}
PAGE_METHOD = "alipay.trade.page.pay"
BILL_METHOD = "alipay.data.dataservice.bill.downloadurl.query"


@dataclass(frozen=True, slots=True)
class AlipayParty:
    """The merchant that this Alipay serves, and Alipay's own key."""

    app_id: str
    seller_id: str
    app_public_key: RSAPublicKey
    alipay_private_key: RSAPrivateKey


class GatewayError(Exception):
    """The gateway itself refuses, before anybody looks at the order."""

    def __init__(self, code: str, sub_code: str, sub_msg: str) -> None:
        super().__init__(sub_code)
        self.sub_code = sub_code
        messages = {"40001": "Missing Required Arguments", "40002": "Invalid Arguments"}
        self.node = {
            "code": code,
            "msg": messages[code],
            "sub_code": sub_code,
            "sub_msg": sub_msg,
        }


class AlipaySandbox:
    def __init__(
        self,
        party: AlipayParty,
        clock: Clock,
        courier: Courier,
        late_seconds: float = LATE_SECONDS,
    ) -> None:
        self.books = AlipayBooks()
        self._party = party
        self._clock = clock
        self._courier = courier
        self._late_seconds = late_seconds
        self._bill_tokens: dict[str, str] = {}

    @property
    def routes(self) -> list[Route]:
        return [
            Route("/alipay/gateway.do", self._gateway, methods=["GET", "POST"]),
            Route("/alipay/cashier/{number}", self._cashier),
            Route("/alipay/cashier/{number}/{action}", self._act, methods=["POST"]),
            Route("/alipay/bill/{token}", self._bill),
            Route("/alipay/refunds/{course}", self._set_course, methods=["POST"]),
        ]

    async def _gateway(self, request: Request) -> Response:
        fields = dict(request.query_params)
        if request.method == "POST":
            fields |= dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
        method = fields.get("method", "")
        try:
            content = self._checked(fields)
            if method == PAGE_METHOD:
                trade = self.books.open(fields, content, self._clock.now())
                return RedirectResponse(f"/alipay/cashier/{trade.out_trade_no}", 302)
            node = {"code": "10000", "msg": "Success"} | self._answer(method, content, request)
        except GatewayError as error:
            node = error.node
        except BusinessError as error:
            node = _business_failure(error)
        if method == PAGE_METHOD:
            return _error_page(node)
        # An app that is not known has no key to check an answer with, so it gets none signed.
        return self._signed_answer(method, node, has_key=node.get("sub_code") != INVALID_APP)

    def _checked(self, fields: Mapping[str, str]) -> dict[str, Any]:
        """The order of the checks is the real gateway's."""
        for name, called in REQUIRED.items():
            if not fields.get(name):
                raise GatewayError("40001", f"isv.missing-{called}", f"缺少{name}参数")
        if fields["app_id"] != self._party.app_id:
            raise GatewayError("40002", INVALID_APP, "无效的AppID参数")
        if fields["sign_type"] != "RSA2":
            raise GatewayError("40002", "isv.invalid-signature-type", "无效的签名类型")
        text = "&".join(f"{k}={v}" for k, v in sorted(fields.items()) if k != "sign" and v)
        if not is_signed(self._party.app_public_key, text.encode(), fields["sign"]):
            shown = text.replace("&", "&amp;").replace('"', "&quot;")
            raise GatewayError(
                "40002",
                "isv.invalid-signature",
                "验签出错，建议检查签名字符串或签名私钥与应用公钥是否匹配，"
                f"网关生成的验签字符串为：{shown}",
            )
        try:
            instant_from_beijing(fields["timestamp"])
        except ValueError:
            raise GatewayError("40002", "isv.invalid-timestamp", "非法的时间戳参数") from None
        if fields["method"] not in (*self._operations, PAGE_METHOD, BILL_METHOD):
            raise GatewayError("40002", "isv.invalid-method", "不存在的方法名")
        return _content(fields)

    @property
    def _operations(self) -> Mapping[str, Any]:
        return {
            "alipay.trade.query": self.books.query,
            "alipay.trade.close": self.books.close,
            "alipay.trade.refund": self._refund,
            "alipay.trade.fastpay.refund.query": self.books.query_refund,
        }

    def _answer(self, method: str, content: Mapping[str, Any], request: Request) -> dict[str, Any]:
        if method == BILL_METHOD:
            return self._bill_url(content, request)
        answer: dict[str, Any] = self._operations[method](content, self._clock.now())
        return answer

    def _refund(self, content: Mapping[str, Any], now: object) -> dict[str, Any]:  # noqa: ARG002
        answer = self.books.refund(content, self._clock.now())
        trade = self.books.trades[answer["out_trade_no"]]
        number = str(content["out_request_no"])
        if answer["fund_change"] == "Y":
            self._notify(trade, number)
        elif trade.refunds[number].done_at is None:
            self._courier.later(self._late_seconds, lambda: self.finish_refund(trade, number))
        return answer

    def finish_refund(self, trade: Trade, number: str) -> None:
        """What was late is done now."""
        if trade.refunds[number].done_at is None:
            self.books.finish_refund(trade, number, self._clock.now())
            self._notify(trade, number)

    def _signed_answer(self, method: str, node: Mapping[str, Any], *, has_key: bool) -> Response:
        text = json.dumps(node, ensure_ascii=False, separators=(",", ":"))
        signature = sign(self._party.alipay_private_key, text.encode()) if has_key else ""
        tail = f',"sign":"{signature}"' if has_key else ""
        body = f'{{"{method.replace(".", "_")}_response":{text}{tail}}}'
        return Response(body.encode(), media_type="text/html;charset=utf-8")

    async def _cashier(self, request: Request) -> Response:
        trade = self.books.trades.get(request.path_params["number"])
        if trade is None:
            return _error_page(_business_failure(BusinessError("ACQ.TRADE_NOT_EXIST")))
        link = f"/alipay/cashier/{trade.out_trade_no}"
        is_open = trade.status == "WAIT_BUYER_PAY"
        return HTMLResponse(
            render_page(
                "支付宝收银台 · Alipay cashier",
                [
                    ("商品 · for", trade.subject),
                    ("金额 · amount", f"¥{yuan_from_fen(trade.fen)}"),
                    ("订单 · order", trade.out_trade_no),
                    ("状态 · state", trade.status),
                ],
                [
                    Button("pay", "确认付款 · Pay", f"{link}/pay", is_main=True),
                    Button("cancel", "放弃付款 · Cancel", f"{link}/cancel"),
                ]
                if is_open
                else [],
            )
        )

    async def _act(self, request: Request) -> Response:
        number, action = request.path_params["number"], request.path_params["action"]
        try:
            if action == "pay":
                trade = self.books.pay(number, self._clock.now())
                self._notify(trade)
                return RedirectResponse(self._way_back(trade), 303)
        except BusinessError as error:
            return _error_page(_business_failure(error))
        known = self.books.trades.get(number)
        target = known.return_url if known and known.return_url else f"/alipay/cashier/{number}"
        return RedirectResponse(target, 303)

    def _way_back(self, trade: Trade) -> str:
        """The browser carries a signed receipt, which a merchant may show but not believe."""
        fields = {
            "charset": "utf-8",
            "out_trade_no": trade.out_trade_no,
            "method": "alipay.trade.page.pay.return",
            "total_amount": yuan_from_fen(trade.fen),
            "trade_no": trade.trade_no,
            "auth_app_id": self._party.app_id,
            "version": "1.0",
            "app_id": self._party.app_id,
            "seller_id": self._party.seller_id,
            "timestamp": beijing_text(self._clock.now()),
        }
        if not trade.return_url:
            return f"/alipay/cashier/{trade.out_trade_no}"
        joined = "&" if "?" in trade.return_url else "?"
        return trade.return_url + joined + urlencode(self._signed_fields(fields))

    def _notify(self, trade: Trade, refund_number: str = "") -> None:
        if not trade.notify_url:
            return
        fields = self._notice_fields(trade, refund_number)
        self._courier.send(lambda: self._notice(trade.notify_url, fields), _is_taken)

    def _notice_fields(self, trade: Trade, refund_number: str) -> dict[str, str]:
        fields = {
            "notify_type": "trade_status_sync",
            "notify_id": secrets.token_hex(17),
            "app_id": self._party.app_id,
            "auth_app_id": self._party.app_id,
            "charset": "utf-8",
            "version": "1.0",
            "trade_no": trade.trade_no,
            "out_trade_no": trade.out_trade_no,
            "buyer_id": "2088000000000001",
            "seller_id": self._party.seller_id,
            "trade_status": trade.status,
            "total_amount": yuan_from_fen(trade.fen),
            "receipt_amount": yuan_from_fen(trade.fen),
            "buyer_pay_amount": yuan_from_fen(trade.fen),
            "subject": trade.subject,
            "gmt_create": beijing_text(trade.created_at),
            "gmt_payment": beijing_text(trade.paid_at or trade.created_at),
            "fund_bill_list": json.dumps(
                [{"amount": yuan_from_fen(trade.fen), "fundChannel": "ALIPAYACCOUNT"}]
            ),
        }
        if refund_number:
            done_at = trade.refunds[refund_number].done_at
            assert done_at is not None
            fields["out_biz_no"] = refund_number
            fields["refund_fee"] = yuan_from_fen(trade.refunded_fen)
            fields["gmt_refund"] = beijing_text(done_at) + ".000"
        if trade.closed_at:
            fields["gmt_close"] = beijing_text(trade.closed_at)
        return fields

    def _notice(self, url: str, fields: Mapping[str, str]) -> Notice:
        sent = {**fields, "notify_time": beijing_text(self._clock.now())}
        headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
        return Notice(url, headers, urlencode(self._signed_fields(sent)).encode())

    def _signed_fields(self, fields: Mapping[str, str]) -> dict[str, str]:
        """Of what it sends to merchants Alipay signs all but the kind of signature."""
        text = "&".join(f"{name}={fields[name]}" for name in sorted(fields))
        signature = sign(self._party.alipay_private_key, text.encode())
        return {**fields, "sign_type": "RSA2", "sign": signature}

    def _bill_url(self, content: Mapping[str, Any], request: Request) -> dict[str, Any]:
        day, today = str(content.get("bill_date", "")), self._clock.now().astimezone(BEIJING).date()
        if content.get("bill_type") != "trade" or day >= today.isoformat():
            raise BusinessError("isv.invalid_arguments")
        if not bill_archive(self._party.seller_id, self.books.trades.values(), day):
            raise BusinessError("isp.bill_not_exist")
        token = secrets.token_hex(16)
        self._bill_tokens[token] = day
        return {"bill_download_url": f"{request.base_url}alipay/bill/{token}"}

    async def _bill(self, request: Request) -> Response:
        """An address works once."""
        day = self._bill_tokens.pop(request.path_params["token"], None)
        if day is None:
            return Response("", 403)
        archive = bill_archive(self._party.seller_id, self.books.trades.values(), day)
        return Response(archive, media_type="application/octet-stream")

    async def _set_course(self, request: Request) -> Response:
        self.books.refund_course = RefundCourse(request.path_params["course"])
        return RedirectResponse("/", 303)


def _content(fields: Mapping[str, str]) -> dict[str, Any]:
    try:
        content = json.loads(fields.get("biz_content", ""))
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise BusinessError("ACQ.INVALID_PARAMETER")
    return content


def _business_failure(error: BusinessError) -> dict[str, str]:
    return {
        "code": "40004",
        "msg": "Business Failed",
        "sub_code": error.sub_code,
        "sub_msg": TEXTS.get(error.sub_code, error.sub_code),
    }


def _error_page(node: Mapping[str, Any]) -> Response:
    code = str(node["sub_code"]).removeprefix("isv.").removeprefix("ACQ.")
    lines = [("错误代码 · code", code), ("错误原因 · reason", str(node["sub_msg"]))]
    return HTMLResponse(render_page("调试错误 · Error", lines, []))


def _is_taken(reply: NoticeReply) -> bool:
    """Exactly the seven letters, as the documents want them."""
    return reply.body.strip() == b"success"
