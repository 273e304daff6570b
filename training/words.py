"""Words nobody wrote down for the model: drawn from the tokeniser's whole vocabulary, put together
from syllables, and codes. Copying them cannot be learnt by heart, only by looking.

A word may be cut into other tokens behind a quote than behind a blank (" limestone", but "lim" and
"estone"). Who has never seen both spellings cannot know that they are one word, so all words here
are spelt alike in both places."""

from __future__ import annotations

import itertools
import random
import re
import string
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from training.holdout import Split, is_held_out
from whalefall.chat.tokenizer import Tokenizer

_ONSETS = ("b", "br", "c", "ch", "d", "dr", "f", "g", "gr", "h", "j", "k", "kr", "l", "m", "n", "p",
           "pr", "r", "s", "sh", "st", "t", "th", "tr", "v", "w", "y", "z", "")  # fmt: skip
_VOWELS = ("a", "e", "i", "o", "u", "ai", "ea", "ee", "ia", "io", "ou", "ü", "á")
_VALUE = re.compile(r"[^\s{}?!]+( [^\s{}?!]+){0,2}")
"""One to three words: something to copy, not a phrasing."""

_TRIES = 40
_T = TypeVar("_T")
_NUM_COMMON = 1000
_PARTICLES = frozenset("的了是在不我你他她它这那")
_CODAS = ("", "", "l", "m", "n", "r", "s", "t", "ck", "nd", "rn", "x", "th")


@dataclass(frozen=True)
class Words:
    """Draws from one side of the split: a held-out word is never a trained one."""

    tokenizer: Tokenizer
    split: Split = Split.TRAINED
    _sides: dict[str, bool] = field(default_factory=dict, repr=False)

    def is_spelt_alike(self, text: str) -> bool:
        """Whether the tokens behind a blank are those behind a quote, but for the blank."""
        behind_blank = [self.tokenizer.token_text(i) for i in self.tokenizer.encode(" " + text)]
        bare = [self.tokenizer.token_text(i) for i in self.tokenizer.encode(text)]
        return [behind_blank[0].removeprefix(" "), *behind_blank[1:]] == bare

    def english(self, rng: random.Random) -> str:
        """A lower-case word that is one token, behind a blank and without."""
        return rng.choice(self._english)

    def common(self, rng: random.Random) -> str:
        """A frequent lower-case word, one token with a blank before it and without.

        Common words are on both sides; what is held out are their combinations."""
        return rng.choice(self._common)

    def common_chinese(self, rng: random.Random) -> str:
        """A frequent Chinese word of one token, on both sides like `common`."""
        return rng.choice(self._common_chinese)

    def chinese(self, rng: random.Random) -> str:
        """One token of two to four Chinese characters."""
        return rng.choice(self._chinese)

    def name(self, rng: random.Random) -> str:
        """A made-up proper name: two or three syllables, capitalised."""
        while True:
            syllables = (
                rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS)
                for _ in range(rng.choice((2, 2, 2, 3)))
            )
            name = "".join(syllables).capitalize()
            if self._is_ours(name) and self.is_spelt_alike(name):
                return name

    def identifier(self, rng: random.Random) -> str:
        """A name as programs have them: snake_case, camelCase or one word."""
        parts = [self.english(rng) for _ in range(rng.choice((1, 2, 2, 3)))]
        if rng.random() < 0.25:
            return parts[0] + "".join(part.capitalize() for part in parts[1:])
        return "_".join(parts)

    def code(self, rng: random.Random) -> str:
        """An order number, a serial, a flight: letters and digits."""
        while True:
            letters = "".join(rng.choices(string.ascii_uppercase, k=rng.randint(1, 3)))
            digits = str(rng.randrange(10 ** rng.randint(2, 6)))
            code = letters + rng.choice(("-", "", "#")) + digits
            if self._is_ours(code) and self.is_spelt_alike(code):
                return code

    @cached_property
    def _english(self) -> list[str]:
        known = set(self._tokens)
        found = (text[1:] for text in self._tokens if re.fullmatch(r" [a-z]{3,12}", text))
        return [word for word in found if word in known and self._is_ours(word)]

    @cached_property
    def _common(self) -> list[str]:
        """By rank: tokens were merged in the order of their frequency."""
        rank = {text: place for place, text in enumerate(self._tokens)}
        found = [text[1:] for text in self._tokens if re.fullmatch(r" [a-z]{4,12}", text)]
        known = [word for word in found if word in rank]
        known.sort(key=lambda word: max(rank[word], rank[" " + word]))
        return known[:_NUM_COMMON]

    @cached_property
    def _common_chinese(self) -> list[str]:
        found = (text for text in self._tokens if re.fullmatch(r"[\u4e00-\u9fff]{2,4}", text))
        whole = (word for word in found if not _PARTICLES & set(word))
        return list(itertools.islice(whole, _NUM_COMMON))

    @cached_property
    def _chinese(self) -> list[str]:
        found = (text for text in self._tokens if re.fullmatch(r"[\u4e00-\u9fff]{2,4}", text))
        return [word for word in found if self._is_ours(word)]

    @cached_property
    def _tokens(self) -> list[str]:
        return [self.tokenizer.token_text(i) for i in range(self.tokenizer.vocab_size)]

    def pick(self, rng: random.Random, pool: Sequence[_T]) -> _T:
        """A piece of a pool that is on this side, or any where the side is empty: a pool of three
        phrasings may have nothing to hold out. A name or a word that is spelt in two ways is never
        held out. Draws again until it fits; only a pool that seems to have none is gone through."""
        for _ in range(_TRIES):
            piece = rng.choice(pool)
            if self._is_piece_ours(piece):
                return piece
        return rng.choice([piece for piece in pool if self._is_piece_ours(piece)] or pool)

    def _is_piece_ours(self, piece: object) -> bool:
        text = str(piece)
        found = self._sides.get(text)
        if found is None:
            is_value = _VALUE.fullmatch(text) is not None
            is_kept_back = is_held_out(text) and not (is_value and not self.is_spelt_alike(text))
            found = self._sides[text] = is_kept_back is (self.split is Split.HELD_OUT)
        return found

    def _is_ours(self, word: str) -> bool:
        return is_held_out(word) is (self.split is Split.HELD_OUT)
