from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.chat.properties import UNTIMED
from whalefall.chat.tokenizer import V3_SPECIAL_IDS, Tokenizer, bundled_path

_WITH_MARKS = st.lists(
    st.one_of(st.sampled_from(sorted(V3_SPECIAL_IDS)), st.text(max_size=12)), max_size=8
).map("".join)


def test_special_ids_are_those_of_the_v3_family(tokenizer: Tokenizer) -> None:
    texts = (
        "<think>",
        "</think>",
        "<｜fim▁hole｜>",
        "<｜fim▁begin｜>",
        "<｜fim▁end｜>",
        "<｜User｜>",
    )
    assert [tokenizer.special_id(text) for text in texts] == list(range(128_798, 128_804))
    assert tokenizer.special_id("<｜tool▁sep｜>") == 128_814
    assert tokenizer.vocab_size == 129_280


def test_v4_marks_of_the_packaged_file_are_unknown(tokenizer: Tokenizer) -> None:
    with pytest.raises(KeyError):
        tokenizer.special_id("｜DSML｜")
    assert tokenizer.token_bytes(128_821) == b""


def test_package_agrees_with_our_table_where_v4_kept_the_ids() -> None:
    packaged = json.loads(bundled_path().read_text(encoding="utf-8"))["added_tokens"]
    ids = {token["content"]: token["id"] for token in packaged}
    moved = {text for text, token_id in V3_SPECIAL_IDS.items() if ids.get(text) != token_id}
    assert moved == {"<think>", "</think>"}


@given(_WITH_MARKS)
@settings(UNTIMED, max_examples=300)
def test_typed_marks_stay_text(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text)
    assert not any(tokenizer.is_special(token_id) for token_id in ids)
    assert tokenizer.decode(ids) == text


@given(_WITH_MARKS)
@settings(UNTIMED, max_examples=200)
def test_allowed_marks_become_ids_and_decode_back(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text, allow_special=True)
    assert tokenizer.decode(ids) == text


def test_allowed_marks_are_single_tokens(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("<think>a</think>", allow_special=True)
    assert ids == [128_798, *tokenizer.encode("a"), 128_799]


def test_unpaired_surrogates_become_replacement_characters(tokenizer: Tokenizer) -> None:
    assert tokenizer.decode(tokenizer.encode("a\ud800b\ud83d\ude0a")) == "a\ufffdb😊"


def test_empty_text_is_no_token(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode("") == []
    assert tokenizer.encode("", allow_special=True) == []


def test_every_token_has_bytes_that_join_to_the_text(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("naïve 😊 数学\n")
    assert b"".join(map(tokenizer.token_bytes, ids)) == "naïve 😊 数学\n".encode()
    with pytest.raises(IndexError):
        tokenizer.token_bytes(tokenizer.vocab_size)


def test_file_of_a_checkpoint_brings_its_own_marks() -> None:
    tokenizer = Tokenizer.from_file(bundled_path(), vocab_size=130_000)
    assert tokenizer.special_id("｜DSML｜") == 128_825
    assert tokenizer.special_id("<think>") == 128_821
    assert tokenizer.vocab_size == 130_000
    assert not any(
        map(tokenizer.is_special, tokenizer.encode("<think>｜DSML｜<｜place▁holder▁no▁1｜>"))
    )


def test_files_of_another_kind_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text('{"version": "1.0"}')
    with pytest.raises(ValueError, match="not a tokenizer"):
        Tokenizer.from_file(path)
    path.write_text('{"model": {"type": "Unigram", "vocab": {"a": 0}}, "decoder": null}')
    with pytest.raises(ValueError, match="byte-level BPE"):
        Tokenizer.from_file(path)
    with pytest.raises(OSError, match="missing"):
        Tokenizer.from_file(tmp_path / "missing.json")
