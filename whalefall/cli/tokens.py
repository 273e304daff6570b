"""`whalefall tokens`: count tokens offline, exactly as they would be billed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from whalefall.base.clock import SystemClock
from whalefall.base.money import Currency, text_from_nanos
from whalefall.billing.price_book import PriceBook
from whalefall.billing.pricing import Price, TokenCounts, cost_nanos
from whalefall.chat.count import NotARequestError, TokenCount, count_tokens
from whalefall.chat.formats.registry import format_by_name
from whalefall.chat.tokenizer import Tokenizer
from whalefall.cli.output import AsJSON, fail, write_json

SOURCE_BYTES_MAX = 64 << 20


def tokens(
    source: Annotated[
        str, typer.Argument(help="A text, the path of a file, or - for standard input.")
    ],
    chat_format: Annotated[
        str, typer.Option("--format", help="For chat requests: v3, v3.1 or v3.2.")
    ] = "v3.2",
    model: Annotated[str, typer.Option(help="Whose prices to use.")] = "deepseek-chat",
    show_pieces: Annotated[bool, typer.Option("--pieces", help="Show every token.")] = False,
    as_json: AsJSON = False,
) -> None:
    """Count the tokens of a text, or of a chat or completion request given as JSON, with cost.

    A chat request is counted as rendered: role marks, tools and the opening of the answer
    included. The cost is that of the tokens as uncached input.
    """
    tokenizer = Tokenizer.bundled()
    try:
        counted = count_tokens(_read(source), format_by_name(chat_format, tokenizer))
    except (NotARequestError, ValueError) as error:
        fail(str(error))
    costs = {currency.value: _cost(model, currency, counted) for currency in Currency}
    if as_json:
        record = {
            "kind": counted.kind,
            "tokens": counted.num_tokens,
            "token_ids": list(counted.token_ids),
            "pieces": list(counted.pieces),
            "input_cost": costs,
        }
        write_json(record)
        return
    console = Console(highlight=False)
    if show_pieces:
        console.print(_coloured(counted.pieces))
    price = ", ".join(f"{amount} {currency}" for currency, amount in costs.items())
    console.print(f"{counted.num_tokens} tokens ({counted.kind}); as input of {model}: {price}")


def _read(source: str) -> str:
    if source == "-":
        return sys.stdin.read(SOURCE_BYTES_MAX)
    path = Path(source)
    try:
        if not path.is_file():
            return source
    except OSError:
        # Longer than any file name may be: it is a text.
        return source
    if path.stat().st_size > SOURCE_BYTES_MAX:
        fail(f"{path} is larger than {SOURCE_BYTES_MAX >> 20} MiB; split it")
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        fail(f"{path} is not UTF-8 text")


def _cost(model: str, currency: Currency, counted: TokenCount) -> str:
    price: Price = PriceBook.load().price_at(model, currency, SystemClock().now())
    counts = TokenCounts(hit=0, miss=counted.num_tokens, output=0)
    return text_from_nanos(cost_nanos(price, counts), 9)


def _coloured(pieces: tuple[str, ...]) -> Text:
    """The text again, its tokens told apart by two backgrounds."""
    text = Text()
    for index, piece in enumerate(pieces):
        text.append(piece, style="black on cyan" if index % 2 else "black on white")
    return text
