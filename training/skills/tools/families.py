"""Tools as everybody has them, written down by hand: weather, mail, orders, and so on."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any

from training.examples import ToolFamily, ToolSlot, World
from training.skills.tools import wishes
from training.skills.tools.schemas import Parameter, Style, declare
from training.skills.tools.values import Value, distinct, kind, listed
from training.skills.tools.wishes import Call, Kit, Wish


@dataclass(frozen=True)
class _Declared:
    """A family with the words one caller chose for it."""

    world: World
    family: ToolFamily
    name: str
    slots: tuple[tuple[ToolSlot, Parameter], ...]
    mentions_all: bool
    is_chinese: bool


def pick_family(rng: random.Random, world: World, is_chinese: bool) -> ToolFamily:
    families = {
        f"a family of tools: {family.key}": family
        for family in world.tools["zh" if is_chinese else "en"]
    }
    return families[world.pick(rng, tuple(families))]


def family_kit(
    rng: random.Random, world: World, family: ToolFamily, style: Style, is_chinese: bool
) -> Kit:
    name = world.pick(rng, family.names)
    slots = tuple(
        (slot, _parameter(rng, world, slot))
        for slot in family.slots
        if slot.is_required or rng.random() < 0.5
    )
    description = world.pick(rng, family.descriptions) if rng.random() < 0.92 else ""
    tool = declare(style, name, description, [parameter for _, parameter in slots])
    declared = _Declared(world, family, name, slots, style.requires_all, is_chinese)
    return Kit(
        tool,
        family.group or family.key,
        is_chinese,
        lambda rng, number: _wish(rng, declared, number),
        (lambda rng, call: _follow_up(rng, declared, call)) if family.is_listed else None,
    )


def _parameter(rng: random.Random, world: World, slot: ToolSlot) -> Parameter:
    description = world.pick(rng, slot.about) if slot.about else ""
    return Parameter(world.pick(rng, slot.keys), kind(slot.kind), description, slot.is_required)


def _wish(rng: random.Random, declared: _Declared, num_calls: int) -> Wish:
    """Several calls differ in the first argument, when the family is one to be asked so."""
    world, family, is_chinese = declared.world, declared.family, declared.is_chinese
    template = world.pick(rng, family.requests)
    values: dict[str, list[Value]] = {}
    for place, (slot, parameter) in enumerate(declared.slots):
        number = num_calls if place == 0 and family.is_listed and slot.is_required else 1
        if slot.is_required:
            values[slot.name] = distinct(rng, world, parameter.kind, number, is_chinese)
        elif (tail := _tail(rng, declared, slot, template)) is not None:
            values[slot.name] = [parameter.kind.draw(rng, world, is_chinese)]
            template = tail
    template = wishes.dressed(rng, world, template, is_chinese)
    said = {slot: _said(rng, drawn, is_chinese) for slot, drawn in values.items()}
    num_calls = max((len(drawn) for drawn in values.values()), default=1)
    calls = tuple(_call(rng, declared, values, number) for number in range(num_calls))
    return Wish(template.format(**said), calls)


def _follow_up(rng: random.Random, declared: _Declared, call: Call) -> Wish:
    """The same call with another first argument."""
    slot, parameter = declared.slots[0]
    value = parameter.kind.draw(rng, declared.world, declared.is_chinese)
    is_place = slot.kind in ("city", "town")
    form = "zh" if declared.is_chinese else "place" if is_place else ""
    arguments = {**call.arguments, parameter.key: value.argument}
    request = wishes.follow_up(rng, declared.world, value.said, form)
    return Wish(request, (Call(call.name, arguments, _result(rng, declared)),))


def _tail(rng: random.Random, declared: _Declared, slot: ToolSlot, template: str) -> str | None:
    """The template with an option mentioned before its last mark, or None for no mention."""
    if ":bare}" in template or (rng.random() < 0.5 and not declared.mentions_all):
        return None
    end = len(template.rstrip("?.!？。！"))
    return template[:end] + declared.world.pick(rng, slot.tails) + template[end:]


def _said(rng: random.Random, values: list[Value], is_chinese: bool) -> Value:
    return values[0] if len(values) == 1 else Value(None, listed(rng, values, is_chinese))


def _call(
    rng: random.Random, declared: _Declared, values: dict[str, list[Value]], number: int
) -> Call:
    arguments = {
        parameter.key: values[slot.name][min(number, len(values[slot.name]) - 1)].argument
        for slot, parameter in declared.slots
        if slot.name in values
    }
    return Call(declared.name, arguments, _result(rng, declared))


def _result(rng: random.Random, declared: _Declared) -> str:
    family = declared.family
    drawn: dict[str, Any] = {}
    for key, spec in family.fields.items():
        drawn[key] = kind(spec).draw(rng, declared.world, declared.is_chinese).argument
    if family.results and (not drawn or rng.random() < 0.5):
        return rng.choice(family.results).format(**drawn)
    return json.dumps(drawn, ensure_ascii=False)
