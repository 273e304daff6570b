from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.chat.properties import UNTIMED
from whalefall.chat.detokenizer import Detokenizer
from whalefall.chat.tokenizer import V3_VOCAB_SIZE, Tokenizer

_IDS = st.lists(st.integers(3, V3_VOCAB_SIZE - 1), max_size=40)


@given(st.text(max_size=60), st.data())
@settings(UNTIMED, max_examples=200)
def test_pieces_join_to_the_text_for_any_split(
    tokenizer: Tokenizer, text: str, data: st.DataObject
) -> None:
    ids = tokenizer.encode(text)
    detokenizer = Detokenizer(tokenizer)
    joined, start = "", 0
    while start < len(ids):
        end = start + data.draw(st.integers(1, 4))
        piece = detokenizer.push(ids[start:end])
        assert "\ufffd" not in piece or "\ufffd" in text
        joined += piece
        start = end
    assert joined + detokenizer.finish() == text


@given(_IDS)
@settings(UNTIMED, max_examples=300)
def test_any_tokens_join_to_their_full_decoding(tokenizer: Tokenizer, ids: list[int]) -> None:
    """Random tokens break characters in every way; replacement characters come out the same."""
    detokenizer = Detokenizer(tokenizer)
    pieces = [detokenizer.push([token_id]) for token_id in ids]
    assert "".join(pieces) + detokenizer.finish() == tokenizer.decode(ids)


def test_half_a_character_waits(tokenizer: Tokenizer) -> None:
    ids = [i for byte in "😊".encode() for i in _byte_tokens(tokenizer, byte)]
    detokenizer = Detokenizer(tokenizer)
    assert [detokenizer.push([i]) for i in ids] == ["", "", "", "😊"]
    assert detokenizer.push(ids[:2]) == ""
    assert detokenizer.finish() == "\ufffd"


def test_marks_come_out_as_text_and_frames_do_not(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode(
        "<｜begin▁of▁sentence｜><think>a</think><｜tool▁sep｜><｜end▁of▁sentence｜>",
        allow_special=True,
    )
    assert Detokenizer(tokenizer).push(ids) == "<think>a</think><｜tool▁sep｜>"


def _byte_tokens(tokenizer: Tokenizer, byte: int) -> list[int]:
    wanted = bytes([byte])
    return [i for i in range(3, 400) if tokenizer.token_bytes(i) == wanted]
