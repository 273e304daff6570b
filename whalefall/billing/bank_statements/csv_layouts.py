"""The columns of two banks' exports. A column is found by any of its names, in any order; columns
nobody asks for are let be."""

from __future__ import annotations

from dataclasses import dataclass

from whalefall.billing.bank_statements.cells import narrow, tidy
from whalefall.billing.bank_statements.entry import StatementFormat


@dataclass(frozen=True, slots=True)
class Layout:
    """Each field with the names of its column; an empty field is one the bank does not have."""

    format: StatementFormat
    day: tuple[str, ...]
    debit: tuple[str, ...]
    credit: tuple[str, ...]
    payer_name: tuple[str, ...]
    payer_account: tuple[str, ...]
    reference: tuple[str, ...]
    currency: tuple[str, ...]
    account: tuple[str, ...]
    credited_account: tuple[str, ...]
    side: tuple[str, ...]
    """Says debit or credit once more."""
    reversal: tuple[str, ...]
    texts: tuple[tuple[str, ...], ...]
    """The columns that hold what the payer wrote, joined in this order."""

    @property
    def needed(self) -> tuple[tuple[str, ...], ...]:
        """Without these columns it is not this bank's file."""
        return self.day, self.debit, self.credit, self.payer_name


ICBC = Layout(
    StatementFormat.ICBC,
    day=("交易时间", "交易日期", "入账日期"),
    debit=("借方发生额", "转出金额"),
    credit=("贷方发生额", "转入金额"),
    payer_name=("对方单位名称", "对方单位", "对方户名"),
    payer_account=("对方账号",),
    reference=("交易流水号", "核心流水号", "流水号"),
    currency=("币种",),
    account=("本方账号",),
    credited_account=("虚拟账号", "收款账号", "本方账号"),
    side=("借/贷", "借贷标志"),
    reversal=("冲正标志",),
    texts=(("摘要",), ("用途",), ("附言",), ("个性化信息", "回单个性化信息")),
)
CMB = Layout(
    StatementFormat.CMB,
    day=("交易日", "交易日期"),
    debit=("借方金额", "借方(出账)"),
    credit=("贷方金额", "贷方(入账)"),
    payer_name=("收(付)方名称",),
    payer_account=("收(付)方账号",),
    reference=("流水号", "交易流水号"),
    currency=("币种",),
    account=("账号",),
    credited_account=("母(子)公司账号",),
    side=(),
    reversal=("冲账标志",),
    texts=(("摘要",), ("用途",), ("业务摘要",), ("其他摘要",), ("扩展摘要",)),
)
LAYOUTS = (ICBC, CMB)


def column_name(cell: str) -> str:
    """A heading as it is compared: banks write 帐 or 账, wide or narrow signs, spaces or none."""
    plain = "".join(narrow(tidy(cell)).split()).strip("[]")
    return plain.replace("帐", "账").replace("其它", "其他")
