"""Reads the hand-written data files of this folder and, if given, a folder of corpus files."""

from __future__ import annotations

import gzip
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from training.examples import Pair, Snippet, ToolFamily, ToolSlot, World
from training.holdout import Split
from training.phrasing import with_known_pieces
from training.words import Words
from whalefall.chat.tokenizer import Tokenizer

_DATA = Path(__file__).parent / "data"
_PAIR_KINDS = ("chat", "platform", "refusals", "limits", "trivia")
_PAIR_FILES = tuple(f"{kind}_{lang}" for kind in _PAIR_KINDS for lang in ("en", "zh"))
_THOUGHTS = {"en": "The user asks {}. I answer in short.", "zh": "用户问{}。我简短地说明。"}
"""What is thought about a pair that tells only what it is about."""
_TOPICS = frozenset({"ai", "conversations", "emotion", "food", "humor", "science", "computers"})
_TURN_CHARS_MAX = 160
_LANGUAGES = ("en", "zh")


def load_world(
    tokenizer: Tokenizer, corpus_dir: Path | None = None, split: Split = Split.TRAINED
) -> World:
    """Raises OSError when a named corpus folder lacks one of its files."""
    return World(
        pairs={name.removeprefix("chat_"): _load_pairs(name) for name in _PAIR_FILES},
        facts={**_load("facts"), **_load("phrasings")},
        tales=_load("tales"),
        snippets=tuple(Snippet(**entry) for entry in _load("code")["snippet"]),
        words=Words(tokenizer, split),
        records=_load("records"),
        phrases=_load("phrases"),
        tools={lang: tuple(map(_family, _load(f"tools_{lang}")["family"])) for lang in _LANGUAGES},
        corpus={} if corpus_dir is None else _load_corpus(corpus_dir),
    )


def _load(name: str) -> dict[str, Any]:
    return tomllib.loads((_DATA / f"{name}.toml").read_text(encoding="utf-8"))


def _load_pairs(name: str) -> tuple[Pair, ...]:
    thought = _THOUGHTS[name[-2:]]
    return with_known_pieces([_pair(entry, thought) for entry in _load(name)["pair"]])


def _pair(entry: dict[str, Any], thought: str) -> Pair:
    return Pair(
        questions=tuple(entry["q"]),
        answers=tuple(entry["a"]),
        name=entry.get("name", ""),
        topic=tuple(tuple(group.split("|")) for group in entry.get("topic", ())),
        thought=entry.get("thought") or thought.format(entry["about"]),
        frame=entry.get("frame", "ask"),
        weight=float(entry.get("weight", 1)),
        then=tuple(_pair(follow_up, thought) for follow_up in entry.get("then", ())),
    )


def _family(entry: dict[str, Any]) -> ToolFamily:
    slots = tuple(ToolSlot(**_frozen(slot)) for slot in entry.pop("slots", ()))
    return ToolFamily(**_frozen(entry), slots=slots)


def _frozen(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(v) if isinstance(v, list) else v for key, v in entry.items()}


def _load_corpus(folder: Path) -> dict[str, list[list[str]]]:
    return {
        "dialogues": list(_dialogues(folder / "chatterbot_en_zh.jsonl.gz")),
        "problems": [
            [row["question"], row["answer"]] for row in _rows(folder / "gsm8k_train.jsonl.gz")
        ],
        "tales": [_paragraphs(folder / name) for name in ("grimm_tales.txt.gz", "alice.txt.gz")],
    }


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def _dialogues(path: Path) -> Iterator[list[str]]:
    """Two-turn dialogues on topics where the naive answers do no harm, without duplicates."""
    seen: set[tuple[str, str]] = set()
    for row in _rows(path):
        question, answer = row["turns"][0].strip(), row["turns"][1].strip()
        is_short = max(len(question), len(answer)) <= _TURN_CHARS_MAX
        if row["topic"] in _TOPICS and is_short and (question, answer) not in seen:
            seen.add((question, answer))
            yield [question, answer]


def _paragraphs(path: Path) -> list[str]:
    """Paragraphs of a book with their lines joined; headings and notes are left out."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        blocks = re.split(r"\n\s*\n", file.read())
    joined = (" ".join(block.split()) for block in blocks)
    return [text for text in joined if len(text) > 120 and "Gutenberg" not in text]
