"""Daily statements as Alipay and WeChat Pay write them, whole and broken."""

from __future__ import annotations

import io
import zipfile

import pytest

from tests.billing.payments.conftest import FEN
from whalefall.base.money import Currency
from whalefall.billing.payments.alipay_bill import lines_from_zip
from whalefall.billing.payments.base import EventKind
from whalefall.billing.payments.wechatpay_bill import lines_from_bill

NUMBER = "0123456789abcdef0123456789abcdef"
ALIPAY_COLUMNS = (
    "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,"
    "对方账户,订单金额（元）,商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,"
    "商家优惠（元）,券核销金额（元）,券名称,商家红包消费金额（元）,卡消费金额（元）,"
    "退款批次号/请求号,服务费（元）,分润（元）,备注"
)
ALIPAY_DETAILS = f"""#支付宝业务明细查询
#账号：[20880000000000000156]
#起始日期：[2026年11月27日 00:00:00]   终止日期：[2026年11月28日 00:00:00]
#-----------------------------------------业务明细列表----------------------------------------
{ALIPAY_COLUMNS}
20261127220014\t,{NUMBER}\t,交易\t,"充值, 一",2026-11-27 10:55:16,2026-11-27 10:55:23,\t,\t,\t,\t,\
*津(6***@qq.com)\t,88.80,88.27,0.00,0.00,0.00,0.00,0.00,,0.00\t,0.00,\t,-0.53,0.00,
20261127220014\t,{NUMBER}\t,退款\t,充值,2026-11-27 10:55:16,2026-11-27 12:56:48,\t,\t,\t,\t,\
*津(6***@qq.com)\t,-0.80,-0.80,0.00,0.00,0.00,0.00,0.00,,0.00\t,0.00,refund_1\t,0.00,0.00,
20261127220015\t,shop-7\t,交易\t,别的,2026-11-27 10:55:16,2026-11-27 10:55:23,\t,\t,\t,\t,\
*津(6***@qq.com)\t,5,5,0.00,0.00,0.00,0.00,0.00,,0.00\t,0.00,\t,0.00,0.00,
#-----------------------------------------业务明细列表结束------------------------------------
#交易合计：2笔，商家实收共93.27元，商家优惠共0.00元
"""
WECHATPAY_BILL = (
    "\ufeff交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,"
    "交易状态,付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,"
    "充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注\r\n"
    f"`2026-11-27 17:07:11,`wx0,`190,`0,`,`4200001,`{NUMBER},`oU,`NATIVE,`SUCCESS,`OTHERS,`CNY,"
    "`88.80,`0.00,`0,`0,`0.00,`0.00,`,`,`a\\ b,`,`0.53000,`0.60%,`88.80,`0.00,`\r\n"
    f"`2026-11-27 18:07:11,`wx0,`190,`0,`,`4200001,`{NUMBER},`oU,`NATIVE,`REFUND,`OTHERS,`CNY,"
    "`0.00,`0.00,`5030001,`refund_1,`0.80,`0.00,`ORIGINAL,`SUCCESS,`a,`,`0.00000,`0.60%,`0.00,`0.80,`\r\n"
    f"`2026-11-27 19:07:11,`wx0,`190,`0,`,`4200001,`{NUMBER},`oU,`NATIVE,`REFUND,`OTHERS,`CNY,"
    "`0.00,`0.00,`5030002,`refund_2,`0.70,`0.00,`ORIGINAL,`FAIL,`a,`,`0.00000,`0.60%,`0.00,`0.70,`\r\n"
    "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额\r\n"
    "`3,`88.80,`1.50,`0.00,`0.53000,`88.80,`1.50\r\n"
)


def zipped(*texts: str, encoding: str = "gb18030") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, text in enumerate(texts):
            archive.writestr(f"{number}.csv", text.encode(encoding))
    return packed.getvalue()


def test_alipays_statement_is_read_line_by_line() -> None:
    lines = lines_from_zip(zipped(ALIPAY_DETAILS, "#支付宝业务汇总查询\n门店编号\n合计"))
    assert [(line.kind, line.amount_nanos // FEN, line.refund_id) for line in lines] == [
        (EventKind.PAID, 8880, ""),
        (EventKind.REFUNDED, 80, "refund_1"),
        (EventKind.PAID, 500, ""),
    ]
    assert [line.top_up_id for line in lines] == [f"topup_{NUMBER}"] * 2 + [""]
    assert {line.provider_reference for line in lines} == {"20261127220014", "20261127220015"}
    assert {line.currency for line in lines} == {Currency.CNY}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04 not really",
        zipped(ALIPAY_DETAILS)[:-30],
        zipped("#支付宝业务汇总查询\n"),
        zipped(ALIPAY_DETAILS, ALIPAY_DETAILS),
        zipped(ALIPAY_DETAILS.replace("商户订单号", "单号")),
        zipped(ALIPAY_DETAILS.replace("88.80", "many")),
        zipped(ALIPAY_DETAILS.replace("订单金额（元）", "金额")),
    ],
)
def test_alipays_statement_that_is_broken_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"^(it|a line|'many')"):
        lines_from_zip(content)


def test_wechatpays_statement_is_read_line_by_line() -> None:
    lines = lines_from_bill(WECHATPAY_BILL.encode())
    assert [(line.kind, line.amount_nanos // FEN, line.refund_id) for line in lines] == [
        (EventKind.PAID, 8880, ""),
        (EventKind.REFUNDED, 80, "refund_1"),
        (EventKind.REFUND_FAILED, 70, "refund_2"),
    ]
    assert {line.top_up_id for line in lines} == {f"topup_{NUMBER}"}
    assert {line.provider_reference for line in lines} == {"4200001"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "success",
        WECHATPAY_BILL.split("总交易单数")[0],
        WECHATPAY_BILL.replace("订单金额", "金额"),
        WECHATPAY_BILL.replace("`CNY", "`BTC"),
        WECHATPAY_BILL.replace("`88.80", "`1e3"),
    ],
)
def test_wechatpays_statement_that_is_broken_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(it|a line|'BTC'|'1e3')"):
        lines_from_bill(text.encode())
