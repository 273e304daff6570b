"""The many ways to ask for JSON with given keys: by list, by template, by schema, by example.

It must not know where the text and its facts come from."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from training.examples import World
from whalefall.chat.messages import ResponseFormat, ResponseFormatKind

Shape = Mapping[str, Any]
"""What is wanted, already filled in: the keys in their order, and the values."""

_JSON_MODE_SHARE = 2 / 3


@dataclass(frozen=True)
class Request:
    system: str
    user: str
    response_format: ResponseFormat


def request(rng: random.Random, world: World, lang: str, text: str, shape: Shape) -> Request:
    """Nested shapes are shown, flat ones may also be listed."""
    is_nested = any(
        isinstance(value, dict) or _is_list_of_objects(value) for value in shape.values()
    )
    kinds = (
        (_by_template, _by_schema)
        if is_nested
        else (_by_list, _by_template, _by_system, _by_schema)
    )
    weights = (4, 1) if is_nested else (11, 4, 3, 1)
    return rng.choices(kinds, weights)[0](rng, world, lang, text, shape)


def finished(rng: random.Random, system: str, user: str) -> Request:
    """JSON mode is refused where nothing says JSON, and left off in a third of the rest."""
    says_json = "json" in (system + user).lower()
    is_on = says_json and rng.random() < _JSON_MODE_SHARE
    kind = ResponseFormatKind.JSON_OBJECT if is_on else ResponseFormatKind.TEXT
    return Request(system, user, ResponseFormat(kind))


def _by_list(rng: random.Random, world: World, lang: str, text: str, shape: Shape) -> Request:
    keys = key_list(rng, world, lang, list(shape))
    user = _noted(rng, world, lang, shape, _asked(rng, world, lang, keys))
    return finished(rng, _system(rng, world, lang), _with_text(rng, world, lang, user, text))


def _by_template(rng: random.Random, world: World, lang: str, text: str, shape: Shape) -> Request:
    """An object with the keys and blanks or types for values."""
    template = json.dumps(_blank(shape, rng.choice(_BLANKS)), ensure_ascii=False)
    asked = world.pick(rng, _TEMPLATE_ASKED[lang]).replace("{t}", template)
    asked = _noted(rng, world, lang, shape, asked)
    return finished(rng, _system(rng, world, lang), _with_text(rng, world, lang, asked, text))


def _by_system(rng: random.Random, world: World, lang: str, text: str, shape: Shape) -> Request:
    """The system prompt says what to do; the user's message is the bare text."""
    if rng.random() < 0.5:
        asked = _asked(rng, world, lang, key_list(rng, world, lang, list(shape)))
    else:
        template = json.dumps(_blank(shape, rng.choice(_BLANKS)), ensure_ascii=False)
        asked = world.pick(rng, _TEMPLATE_ASKED[lang]).replace("{t}", template)
    role = world.pick(rng, _ROLES[lang])
    return finished(rng, role + _noted(rng, world, lang, shape, asked), text)


def _by_schema(rng: random.Random, world: World, lang: str, text: str, shape: Shape) -> Request:
    schema = schema_of(shape)
    asked = world.pick(rng, _SCHEMA_ASKED[lang])
    if rng.random() < 0.6:
        response_format = ResponseFormat(ResponseFormatKind.JSON_SCHEMA, schema)
        user = _with_text(rng, world, lang, asked, text) if rng.random() < 0.5 else text
        return Request(_system(rng, world, lang), user, response_format)
    shown = json.dumps(schema, ensure_ascii=False)
    system = world.pick(rng, _SCHEMA_SHOWN[lang]).replace("{s}", shown)
    return finished(rng, system, _with_text(rng, world, lang, asked, text))


def schema_of(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        properties = {key: schema_of(part) for key, part in value.items()}
        return {"type": "object", "properties": properties, "required": list(value)}
    if isinstance(value, list):
        return {"type": "array", "items": schema_of(value[0])}
    return {"type": _TYPES[type(value)]}


_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}
_BLANKS = ("empty", "dots", "types", "types", "zeros")


def _blank(value: Any, how: str) -> Any:
    """The shape with its values taken out."""
    if isinstance(value, Mapping):
        return {key: _blank(part, how) for key, part in value.items()}
    if isinstance(value, list):
        return [_blank(value[0], how)]
    if how == "types":
        return "string" if value is None else _TYPES[type(value)]
    if how == "zeros":
        return {int: 0, float: 0.0, bool: False}.get(type(value), "")
    return "..." if how == "dots" else ""


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and isinstance(value[0], dict)


def key_list(rng: random.Random, world: World, lang: str, keys: list[str]) -> str:
    quoted = [world.pick(rng, _QUOTES[lang]).format(k=key) for key in keys[:1]]
    mark = quoted[0].replace(keys[0], "{}", 1)
    shown = [mark.format(key) for key in keys]
    if rng.random() < 0.4 and len(shown) > 1:
        last = world.pick(rng, _ANDS[lang])
        return world.pick(rng, _COMMAS[lang]).join(shown[:-1]) + last + shown[-1]
    return world.pick(rng, _COMMAS[lang]).join(shown)


_QUOTES = {
    "en": ("{k}", "{k}", "{k}", '"{k}"', "`{k}`", "'{k}'"),
    "zh": ("{k}", "{k}", "“{k}”", '"{k}"', "`{k}`", "「{k}」"),
}
_COMMAS = {"en": (", ", ", ", ", ", "; ", " / ", ","), "zh": ("、", "、", "，", ", ", "；")}
_ANDS = {"en": (" and ", ", and ", " and ", " & "), "zh": ("和", "以及", "与", "和")}


def _asked(rng: random.Random, world: World, lang: str, keys: str) -> str:
    """A sentence from parts: verb, keys, and how JSON is named."""
    if rng.random() < 0.35:
        return world.pick(rng, _WHOLE[lang]).replace("{k}", keys)
    verb, noun = world.pick(rng, _VERBS[lang]), world.pick(rng, _NOUNS[lang])
    as_json = world.pick(rng, _AS_JSON[lang])
    if lang == "zh":
        return f"{verb}{noun}{keys}，{as_json}"
    return f"{verb} {noun}{keys} {as_json}"


_VERBS = {
    "en": (
        "Extract", "Get", "Pull out", "Parse", "Find", "Read", "Take", "Give me", "Return", "Output",
        "I need", "Please extract", "Please return", "Collect", "Fetch", "Can you extract", "List",
        "Identify", "Write down", "Show", "extract", "get", "return", "Grab", "Detect", "Provide",
    ),
    "zh": (
        "提取", "抽取", "请提取", "找出", "请找出", "解析出", "读取", "给我", "返回", "请抽取", "列出",
        "帮我提取", "识别", "获取", "请给出", "整理出", "请解析", "输出",
    ),
}  # fmt: skip
_NOUNS = {
    "en": ("", "", "", "", "the fields ", "the keys ", "the values of ", "these fields: ", "the ",
           "the following: ", "the entities ", "the attributes "),
    "zh": ("", "", "", "字段", "其中的", "以下字段：", "这些信息：", "下列内容："),
}  # fmt: skip
_AS_JSON = {
    "en": ("as JSON", "as json", "in JSON", "in JSON format", "as a JSON object", "as valid JSON",
           "as one JSON object", "in json format", "as plain JSON", "as JSON only", "and answer in JSON",
           "into JSON", "in a JSON object", "as JSON output", "and output JSON", "as a json"),
    "zh": ("用JSON输出", "以JSON格式返回", "用 JSON 回答", "输出JSON", "返回json", "格式为JSON", "结果用JSON表示",
           "以 JSON 对象输出", "只输出JSON", "写成JSON", "用json格式", "请用JSON格式"),
}  # fmt: skip
_WHOLE = {
    "en": (
        "Return only JSON with the keys {k}.", "Return a JSON object with the keys {k}.",
        "JSON with {k}, please.", "Answer in JSON. Keys: {k}.", "Output JSON. Use exactly these keys: {k}.",
        "Make a JSON object with {k} from the text.", "Respond with a JSON object that has the keys {k}.",
        "Which {k}? Answer in JSON.", "I want {k} as JSON and nothing else.", "Keys: {k}. Format: JSON.",
        "Fill a JSON object with {k}.", "Turn the text into JSON with {k}.", "Only JSON, keys {k}:",
        "Convert this to JSON with the fields {k}.", "json: {k}", "{k} as JSON?", "{k} -> JSON",
        "Your answer is a JSON object. Its keys are {k}.", "Parse the text. Reply in JSON with {k}.",
        "From the text, build JSON having {k}.", "Write JSON whose keys are {k}.", "Structured output (JSON): {k}",
        "Summarise the text as JSON with {k}.", "Tell me {k} in JSON.", "What are {k}? Reply with JSON.",
    ),
    "zh": (
        "只返回JSON，键为{k}。", "请返回一个JSON对象，包含{k}。", "输出JSON，字段：{k}。", "请用JSON回答，键：{k}。", "把文本转成JSON，包含{k}。",
        "请把下面的句子解析成 json，包含 {k}。", "我要{k}，用JSON。", "JSON格式，字段{k}。", "从文本生成JSON，键名为{k}。", "{k}是什么？用JSON回答。",
        "请输出包含{k}的JSON。", "请将信息整理为JSON：{k}。", "不要解释，只给JSON，字段为{k}。", "结构化输出（JSON）：{k}", "请填写JSON：{k}。", "json：{k}",
    ),
}  # fmt: skip
_TEMPLATE_ASKED = {
    "en": (
        "Answer with JSON like {t}", "Return JSON in the form {t}", "Use this JSON format: {t}",
        "Reply with JSON of this shape: {t}", "Fill in this JSON: {t}", "Extract the data as JSON: {t}",
        "Output format: {t}", "Respond in this JSON structure: {t}", "Convert to {t}", "Template: {t}",
        "Parse the text into {t}", "JSON template:\n{t}", "Your output must be JSON like this:\n{t}",
        "Complete the JSON {t}", "Expected JSON: {t}", "Format the answer as JSON, e.g. {t}",
        "The JSON has to look like {t}", "Extract into the following JSON:\n{t}", "Return {t}", "Give me {t} as JSON",
    ),
    "zh": (
        "请按格式输出JSON：{t}", "用这个JSON格式回答：{t}", "返回如下JSON：{t}", "填写这个JSON：{t}", "输出格式：{t}", "按照模板提取：{t}",
        "请解析成 {t}", "JSON模板：\n{t}", "结果必须是这样的JSON：\n{t}", "以 {t} 的形式返回JSON", "请补全JSON {t}", "期望的JSON：{t}",
        "请提取信息并按此JSON结构返回：{t}", "转换为 {t}",
    ),
}  # fmt: skip
_SCHEMA_ASKED = {
    "en": ("Extract the data.", "Parse this.", "Extract the information as JSON.", "Fill in the schema.",
           "Read the text and answer in JSON.", "Turn this into JSON.", "Extract:", "Answer with JSON.",
           "Get the data out of this text.", "Give me the JSON.", "Convert the text."),
    "zh": ("提取数据。", "请解析。", "请提取信息并返回JSON。", "按模式填写。", "请转换成JSON。", "解析下面的文本。", "请用JSON回答。", "抽取信息。"),
}  # fmt: skip
_SCHEMA_SHOWN = {
    "en": (
        "Answer with JSON that follows this schema:\n{s}", "You output JSON. Schema: {s}", "JSON schema:\n{s}",
        "Your answer must be valid JSON for the schema {s}", "Respond only with JSON matching {s}",
        "Extract data as JSON. The schema is {s}", "Use the JSON schema below.\n{s}", "Follow this JSON schema: {s}",
    ),
    "zh": ("请按照这个JSON模式回答：\n{s}", "输出JSON。模式：{s}", "你的回答必须符合JSON Schema：{s}", "JSON Schema：\n{s}", "按以下模式返回JSON：{s}"),
}  # fmt: skip


def _noted(rng: random.Random, world: World, lang: str, shape: Shape, asked: str) -> str:
    """What to do about missing values is often said where some are, sometimes where none are."""
    is_missing = None in shape.values()
    if rng.random() > (0.6 if is_missing else 0.05):
        return asked
    full_stop = "。" if lang == "zh" else ". "
    note = world.pick(rng, _NULL_NOTES[lang])
    return asked.rstrip(".。:：") + full_stop + note


_NULL_NOTES = {
    "en": ("Use null if something is missing.", "Missing values are null.", "Write null for unknown values.",
           "If a value is not in the text, use null.", "null if absent.", "Put null where nothing is said.",
           "Leave unknown fields null.", "Otherwise null."),
    "zh": ("没有的填null。", "缺失的值用 null。", "文中没有就写null。", "未知则为null。", "找不到就用null。", "若无则为null。"),
}  # fmt: skip


def _with_text(rng: random.Random, world: World, lang: str, asked: str, text: str) -> str:
    """The text behind the request, or before it."""
    if rng.random() < 0.3:
        return text + world.pick(rng, _AFTER[lang]) + asked
    bridge = world.pick(rng, _BRIDGES[lang])
    if bridge[0] in ":：" or bridge.startswith(" from"):
        asked = asked.rstrip(".。:：")
    return asked + bridge + text


_BRIDGES = {
    "en": (": ", ": ", "\n", "\n\n", "\nText: ", " from this text: ", " from: ", "\nInput: ", ":\n", "\n\nText:\n",
           " from the text below.\n\n", "\n---\n", " from the following:\n"),
    "zh": ("：", "：", "\n", "\n\n", "\n文本：", "\n原文：", "：\n", "\n内容：", "\n输入："),
}  # fmt: skip
_AFTER = {
    "en": (" ", "\n", "\n\n", "\n---\n", "\n\n", " "),
    "zh": ("", "\n", "\n\n", "\n", "\n---\n"),
}


def _system(rng: random.Random, world: World, lang: str) -> str:
    return "" if rng.random() < 0.6 else world.pick(rng, _SYSTEMS[lang])


_SYSTEMS = {
    "en": ("You output JSON.", "You are a helpful assistant designed to output JSON.", "Answer in JSON.",
           "You are a helpful assistant", "You extract data from texts.", "You are a helpful assistant.",
           "You are a JSON API.", "Always respond with valid JSON.", "Only output JSON, no other text.",
           "You are an information extraction engine.", "You turn text into JSON.", "Be precise.",
           "No code fences, only JSON.", "Respond in JSON format."),
    "zh": ("你是一个有用的助手。", "你只输出JSON。", "请用JSON回答。", "你是一个信息抽取助手。", "始终返回有效的JSON。", "你是一个JSON接口。",
           "把文本转换成JSON。", "只输出JSON，不要解释。"),
}  # fmt: skip
_ROLES = {
    "en": ("", "", "You extract data. ", "You are a parser. ", "The user will provide a text. ",
           "You read texts. ", "The user sends a text. ", "You are an extraction service. ",
           "You are a helpful assistant. ", "For each text: "),
    "zh": ("", "", "你负责抽取数据。", "用户会提供一段文本。", "你是解析器。", "你是一个有用的助手。", "对每段文本："),
}  # fmt: skip
