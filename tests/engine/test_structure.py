"""Grammars: what they allow, and that a bad one is refused without harm."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from tests.support.bundled_tokenizer import bundled_tokenizer_path
from whalefall.engine.errors import EngineRejectedError
from whalefall.engine.request import StructureSpec
from whalefall.engine.structure import (
    GrammarCompiler,
    GrammarMatcher,
    PendingGrammar,
    StructureLimits,
)

VOCAB_SIZE = 129280
EOS = 1


@pytest.fixture(scope="module")
def tokenizer_path() -> Path:
    return bundled_tokenizer_path()


@pytest.fixture(scope="module")
def tokenizer(tokenizer_path: Path) -> Tokenizer:
    return Tokenizer.from_file(str(tokenizer_path))


@pytest.fixture(scope="module")
def compiler(tokenizer_path: Path) -> GrammarCompiler:
    return GrammarCompiler(tokenizer_path, VOCAB_SIZE, (EOS,))


def ready(pending: PendingGrammar) -> GrammarMatcher:
    while True:
        matcher = pending.poll()
        if matcher is not None:
            return matcher
        time.sleep(0.001)


def lark(grammar: str) -> StructureSpec:
    return StructureSpec(kind="lark", grammar=grammar)


def schema(value: object) -> StructureSpec:
    return StructureSpec(kind="json_schema", grammar=json.dumps(value))


def follow(matcher: GrammarMatcher, token_ids: list[int]) -> None:
    for token_id in token_ids:
        assert matcher.allowed()[token_id]
        matcher.accept(token_id)


def test_end_token_is_allowed_only_where_the_grammar_accepts(
    compiler: GrammarCompiler, tokenizer: Tokenizer
) -> None:
    matcher = ready(compiler.begin(lark('start: "ab" "c"*')))
    assert not matcher.allowed()[EOS]
    follow(matcher, tokenizer.encode("ab").ids)
    assert matcher.allowed()[EOS]
    assert not matcher.is_finished
    follow(matcher, tokenizer.encode("c").ids)
    assert matcher.allowed()[EOS]


def test_marks_spell_nothing_even_where_the_tokenizer_calls_them_ordinary(
    compiler: GrammarCompiler, tokenizer: Tokenizer
) -> None:
    added = [i for i in tokenizer.get_added_tokens_decoder() if i != EOS]
    ordinary = [i for i, token in tokenizer.get_added_tokens_decoder().items() if not token.special]
    assert ordinary
    anything = ready(compiler.begin(lark("start: TEXT\nTEXT: /(?s:.*)/"))).allowed()
    assert not anything[added].any()
    spelled = tokenizer.decode([ordinary[0]], skip_special_tokens=False)
    matcher = ready(compiler.begin(lark(f"start: {json.dumps(spelled)}")))
    allowed = matcher.allowed()
    assert allowed.any()
    assert not allowed[added].any()


def test_mark_is_allowed_where_its_id_is_asked_for(
    compiler: GrammarCompiler, tokenizer: Tokenizer
) -> None:
    mark = tokenizer.token_to_id("<｜tool▁calls▁begin｜>")
    assert mark is not None
    matcher = ready(compiler.begin(lark(f'start: "a" <[{mark}]> "b"')))
    follow(matcher, [*tokenizer.encode("a", add_special_tokens=False).ids, mark])
    follow(matcher, tokenizer.encode("b", add_special_tokens=False).ids)
    assert matcher.is_finished


def test_matcher_is_finished_when_nothing_can_follow(
    compiler: GrammarCompiler, tokenizer: Tokenizer
) -> None:
    matcher = ready(compiler.begin(lark('start: "abc"')))
    follow(matcher, tokenizer.encode("abc").ids)
    assert matcher.is_finished
    assert np.flatnonzero(matcher.allowed()).tolist() == [EOS]


def test_schema_admits_what_satisfies_it_and_nothing_else(
    compiler: GrammarCompiler, tokenizer: Tokenizer
) -> None:
    spec = schema(
        {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["city", "days"],
            "additionalProperties": False,
        }
    )
    matcher = ready(compiler.begin(spec))
    follow(matcher, tokenizer.encode('{"city": "Köln 🐳", "days": 3}').ids)
    assert matcher.is_finished
    wrong = ready(compiler.begin(spec))
    follow(wrong, tokenizer.encode('{"city": "').ids)
    follow(wrong, tokenizer.encode('x", "').ids)
    assert not wrong.allowed()[tokenizer.token_to_id("city")]
    assert wrong.allowed()[tokenizer.token_to_id("days")]


def test_mask_covers_the_models_vocabulary_and_no_padding_id(tokenizer_path: Path) -> None:
    padded = GrammarCompiler(tokenizer_path, VOCAB_SIZE + 90, (EOS,))
    mask = ready(padded.begin(lark("start: /(.|\\n)*/"))).allowed()
    assert mask.shape == (VOCAB_SIZE + 90,)
    assert mask.sum() > 100_000
    assert not mask[VOCAB_SIZE:].any()
    padded.close()


def test_requests_of_one_grammar_do_not_disturb_each_other(
    compiler: GrammarCompiler, tokenizer: Tokenizer
) -> None:
    one = ready(compiler.begin(lark('start: "ab" "c"*')))
    follow(one, tokenizer.encode("ab").ids)
    other = ready(compiler.begin(lark('start: "ab" "c"*')))
    assert not other.allowed()[EOS]
    assert one.allowed()[EOS]


@pytest.mark.parametrize(
    "spec",
    [
        lark('start: "abc'),
        lark(""),
        lark("start: undefined_rule"),
        lark("start: " + "(" * 3000 + '"a"' + ")" * 3000),
        lark("start: /a{1000}{1000}{1000}/"),
        StructureSpec(kind="json_schema", grammar="{"),
        StructureSpec(kind="json_schema", grammar="[1]"),
        schema({"type": "no such type"}),
        schema(False),
        schema({"$ref": "#"}),
        schema({"$ref": "https://example.com/schema.json"}),
        StructureSpec(kind="json_schema", grammar='{"items":' * 3000 + "{}" + "}" * 3000),
    ],
)
def test_bad_grammar_is_rejected_with_a_short_reason(
    compiler: GrammarCompiler, spec: StructureSpec
) -> None:
    with pytest.raises(EngineRejectedError) as caught:
        ready(compiler.begin(spec)).allowed()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    ready(compiler.begin(lark('start: "still well"')))


def test_unknown_kind_and_oversized_text_are_rejected_at_once(compiler: GrammarCompiler) -> None:
    with pytest.raises(EngineRejectedError, match="kind"):
        compiler.begin(StructureSpec(kind="regex", grammar="a"))
    with pytest.raises(EngineRejectedError, match="bytes"):
        compiler.begin(lark("start: " + '"a"' * 100_000))


def test_token_outside_the_grammar_is_rejected(
    compiler: GrammarCompiler, tokenizer: Tokenizer
) -> None:
    matcher = ready(compiler.begin(lark('start: "abc"')))
    with pytest.raises(EngineRejectedError):
        matcher.accept(tokenizer.encode("zzz").ids[0])


def test_queue_and_cache_are_bounded(tokenizer_path: Path) -> None:
    limits = StructureLimits(num_cached_max=2, num_pending_max=3, compile_timeout_seconds=60)
    compiler = GrammarCompiler(tokenizer_path, VOCAB_SIZE, (EOS,), limits)
    slow = ["|".join(f"/x{i}y{j}[a-z]*/" for j in range(2000)) for i in range(4)]
    pending = [compiler.begin(lark(f"start: {text}")) for text in slow[:3]]
    with pytest.raises(EngineRejectedError, match="too many"):
        compiler.begin(lark(f"start: {slow[3]}"))
    for item in pending:
        ready(item)
    for index in range(20):
        ready(compiler.begin(lark(f'start: "{index}"')))
    compiler.close()


def test_compilation_that_takes_too_long_is_given_up(tokenizer_path: Path) -> None:
    limits = StructureLimits(compile_timeout_seconds=0.0)
    compiler = GrammarCompiler(tokenizer_path, VOCAB_SIZE, (EOS,), limits)
    slow = "|".join(f"/x{j}[a-z]*/" for j in range(2000))
    with pytest.raises(EngineRejectedError, match="too long"):
        ready(compiler.begin(lark(f"start: {slow}")))
    compiler.close()
