"""Text out of a stream of tokens, one step at a time.

A byte-level token may hold half a character; what cannot be shown yet waits here. Joined, the
pieces equal what decoding everything at once gives, however the stream was cut. Nothing is
decoded twice: the bytes of each token pass once through an incremental UTF-8 decoder.

It must not know about think marks or tool marks: they come out as text, for the parser. Only the
marks that frame a sentence (begin, end, padding) are never shown.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable

from whalefall.chat.tokenizer import Tokenizer

_FRAMING = ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>")


class Detokenizer:
    def __init__(self, tokenizer: Tokenizer) -> None:
        self._token_bytes = tokenizer.token_bytes
        specials = tokenizer.special_tokens
        self._hidden = frozenset(specials[text] for text in _FRAMING if text in specials)
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode

    def push(self, token_ids: Iterable[int]) -> str:
        """The text that became certain with these tokens; "" while a character is incomplete.
        Raises IndexError for an id outside the vocabulary."""
        token_bytes, hidden = self._token_bytes, self._hidden
        return self._decode(b"".join([token_bytes(i) for i in token_ids if i not in hidden]))

    def finish(self) -> str:
        """What still waited: U+FFFD for a character that will never be completed, or ""."""
        return self._decode(b"", True)
