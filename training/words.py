"""Words nobody wrote down for the model: drawn from the tokeniser's whole vocabulary, put together
from syllables, and codes. Copying them cannot be learnt by heart, only by looking."""

from __future__ import annotations

import itertools
import random
import re
import string
from dataclasses import dataclass
from functools import cached_property

from training.holdout import Split, is_held_out
from whalefall.chat.tokenizer import Tokenizer

_ONSETS = ("b", "br", "c", "ch", "d", "dr", "f", "g", "gr", "h", "j", "k", "kr", "l", "m", "n", "p",
           "pr", "r", "s", "sh", "st", "t", "th", "tr", "v", "w", "y", "z", "")  # fmt: skip
_VOWELS = ("a", "e", "i", "o", "u", "ai", "ea", "ee", "ia", "io", "ou", "ü", "á")
_NUM_COMMON = 1000
_PARTICLES = frozenset("的了是在不我你他她它这那")
_CODAS = ("", "", "l", "m", "n", "r", "s", "t", "ck", "nd", "rn", "x", "th")


@dataclass(frozen=True)
class Words:
    """Draws from one side of the split: a held-out word is never a trained one."""

    tokenizer: Tokenizer
    split: Split = Split.TRAINED

    def english(self, rng: random.Random) -> str:
        """A lower-case word that is one token behind a blank."""
        return rng.choice(self._english)

    def common(self, rng: random.Random) -> str:
        """A frequent lower-case word, one token with a blank before it and without.

        Common words are on both sides: a token that is never trained has no row of its own and
        cannot be written. What is held out are their combinations."""
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
            if self._is_ours(name):
                return name

    def identifier(self, rng: random.Random) -> str:
        """A name as programs have them: snake_case, camelCase or one word."""
        parts = [self.english(rng) for _ in range(rng.choice((1, 2, 2, 3)))]
        if rng.random() < 0.25:
            return parts[0] + "".join(part.capitalize() for part in parts[1:])
        return "_".join(parts)

    def code(self, rng: random.Random) -> str:
        """An order number, a serial, a flight: letters and digits."""
        letters = "".join(rng.choices(string.ascii_uppercase, k=rng.randint(1, 3)))
        digits = str(rng.randrange(10 ** rng.randint(2, 6)))
        return letters + rng.choice(("-", "", "#")) + digits

    @cached_property
    def _english(self) -> list[str]:
        found = (text[1:] for text in self._tokens if re.fullmatch(r" [a-z]{3,12}", text))
        return [word for word in found if self._is_ours(word)]

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

    def _is_ours(self, word: str) -> bool:
        return is_held_out(word) is (self.split is Split.HELD_OUT)
