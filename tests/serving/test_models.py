"""Names of models: aliases with dates, comparison endpoints, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.serving.harness import asks, tokenizer
from tests.support.scripted_engine import ScriptedEngine
from whalefall.base.errors import InvalidRequestError
from whalefall.chat.formats.registry import format_by_name
from whalefall.chat.messages import ResponseFormat, ResponseFormatKind, Tool
from whalefall.serving.models import Alias, Comparison, ModelRegistry, ServedModel
from whalefall.serving.platform import Base, ModelRules

EXPIRY = datetime(2025, 10, 15, 15, 59, tzinfo=UTC)
COMPARISON = Comparison(
    "v3.1_terminus_expires_on_20251015", "old", "deepseek-v3.1-terminus", EXPIRY
)


def served(name: str, chat_format: str) -> ServedModel:
    return ServedModel(
        name, ScriptedEngine(), tokenizer(), format_by_name(chat_format, tokenizer())
    )


def registry(*aliases: Alias) -> ModelRegistry:
    models = (served("new", "v3.2"), served("old", "v3.1"))
    return ModelRegistry(models, aliases or (Alias("deepseek-chat", "new"),), (COMPARISON,))


def test_comparison_endpoint_answers_with_its_own_model_until_it_expires() -> None:
    base = Base(comparison=COMPARISON.path)
    route = registry().resolve("deepseek-chat", base, EXPIRY - timedelta(seconds=1))
    assert route.model.name == "old"
    assert route.reported_model == "deepseek-v3.1-terminus"
    assert route.priced_as == "deepseek-chat"
    with pytest.raises(InvalidRequestError, match="expired at 2025-10-15 15:59 UTC"):
        registry().resolve("deepseek-chat", base, EXPIRY)


def test_alias_changes_its_model_at_the_stated_instant() -> None:
    names = registry(
        Alias("deepseek-chat", "old", effective_until=EXPIRY),
        Alias("deepseek-chat", "new", effective_from=EXPIRY),
        Alias("later", "new", effective_from=EXPIRY + timedelta(days=1)),
    )
    before, after = EXPIRY - timedelta(microseconds=1), EXPIRY
    assert names.resolve("deepseek-chat", Base(), before).model.name == "old"
    assert names.resolve("deepseek-chat", Base(), after).model.name == "new"
    assert names.names(after) == ("deepseek-chat",)
    assert names.names(after + timedelta(days=2)) == ("deepseek-chat", "later")


def test_thinking_only_endpoint_refuses_the_other_name() -> None:
    speciale = Comparison("speciale", "new", "deepseek-v3.2-speciale", EXPIRY, thinking_only=True)
    names = ModelRegistry(
        (served("new", "v3.2"),),
        (Alias("deepseek-chat", "new"), Alias("deepseek-reasoner", "new", thinking=True)),
        (speciale,),
    )
    base = Base(comparison="speciale")
    now = EXPIRY - timedelta(days=1)
    assert names.resolve("deepseek-reasoner", base, now).reported_model == "deepseek-v3.2-speciale"
    assert names.rules(base, now) == {
        "deepseek-chat": ModelRules(max_tokens_limit=131_072),
        "deepseek-reasoner": ModelRules(thinking=True, max_tokens_limit=131_072),
    }
    chat = names.resolve("deepseek-chat", base, now)
    with pytest.raises(InvalidRequestError, match="thinking mode only"):
        chat.applied(asks())
    with pytest.raises(InvalidRequestError, match="thinking mode only"):
        chat.check_thinks(thinking=False)
    asked = replace(asks(), thinking=True)
    assert chat.applied(asked) == asked
    with pytest.raises(InvalidRequestError, match="does not support tools"):
        chat.applied(replace(asked, tools=(Tool("f"),)))
    with pytest.raises(InvalidRequestError, match="does not support JSON"):
        chat.applied(replace(asked, response_format=ResponseFormat(ResponseFormatKind.JSON_OBJECT)))


def test_name_fixes_the_same_thinking_for_the_wire_and_for_serving() -> None:
    names = registry(
        Alias("thinker", "new", thinking=True),
        Alias("plain", "new", thinking=False),
        Alias("either", "new"),
    )
    rules = names.rules(Base(), EXPIRY)
    for name, fixed in (("thinker", True), ("plain", False), ("either", None)):
        assert rules[name].thinking is fixed
        route = names.resolve(name, Base(), EXPIRY)
        for asked in (False, True):
            expected = asked if fixed is None else fixed
            assert route.applied(replace(asks(), thinking=asked)).thinking is expected


def test_expired_endpoint_lists_nothing_either() -> None:
    with pytest.raises(InvalidRequestError, match="expired at 2025-10-15 15:59 UTC"):
        registry().rules(Base(comparison=COMPARISON.path), EXPIRY)


def test_alias_may_be_priced_as_another_name() -> None:
    names = registry(Alias("house", "new", priced_as="deepseek-chat"))
    route = names.resolve("house", Base(), EXPIRY)
    assert (route.priced_as, route.reported_model) == ("deepseek-chat", "house")


def test_alias_for_a_model_that_is_not_served_is_refused_at_start() -> None:
    with pytest.raises(ValueError, match="nothing, but only new, old is served"):
        registry(Alias("deepseek-chat", "nothing"))
