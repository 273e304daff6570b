"""Which tokens are the same letters in another form: behind a blank or not, in lower case or not.

A word copied from a sentence into quotes changes its token: " Oslo" is not "Oslo". Tokens of the
same letters get the same direction, and the form is a shift that all words have in common, so that
copying with a change of form can be learnt once instead of word by word."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from whalefall.chat.tokenizer import Tokenizer

NUM_FORMS = 6


@dataclass(frozen=True)
class TokenForms:
    form_of_token: Tensor
    """int64 [V]: 0 .. NUM_FORMS - 1."""
    word_of_token: Tensor
    """int64 [V]: equal for tokens of the same letters."""
    digits_of_token: Tensor | None = None
    """int64 [V, 3]: of numbers of up to three digits the hundreds, tens and ones, each -1 where
    there is none; None when no token is a number."""


def token_forms(tokenizer: Tokenizer, full_size: int) -> TokenForms:
    forms, words, digits = [], [], []
    word_ids: dict[str, int] = {}
    for token_id in range(full_size):
        text = tokenizer.token_text(token_id) if token_id < tokenizer.vocab_size else ""
        digits.append(_digits(text))
        bare = text.removeprefix(" ")
        forms.append(3 * (bare != text) + _case(bare))
        # Bytes of half a character look alike as text: each is a word of its own.
        letters = bare.lower() if bare and "\ufffd" not in bare else f"\ufffd{token_id}"
        words.append(word_ids.setdefault(letters, len(word_ids)))
    return TokenForms(torch.tensor(forms), torch.tensor(words), torch.tensor(digits))


_NO_DIGITS = (-1, -1, -1)


def _digits(text: str) -> tuple[int, ...]:
    if not (text.isascii() and text.isdigit() and len(text) <= len(_NO_DIGITS)):
        return _NO_DIGITS
    return (*_NO_DIGITS[len(text) :], *map(int, text))


def _case(text: str) -> int:
    """0: no capital, or nothing that could be one; 1: the first letter only; 2: any other."""
    if text == text.lower():
        return 0
    return 1 if text == text.capitalize() else 2
