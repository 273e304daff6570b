"""Request bodies become wire structs; what is wrong with a body is told in serde_json's words.

Two roads. The fast one is msgspec's decoder plus a look at what msgspec would let pass and
serde_json would not: duplicate fields and deep nesting. The slow one runs when the fast one did
not succeed: it reads the body into positioned nodes, walks the wire type beside them and raises
the real parser's text, with serde_path_to_error's path and ` at line L column C`. The wire types
are the single description both roads follow; nothing here knows what a field means."""

from __future__ import annotations

import functools
import json
from itertools import accumulate
from typing import Any, Literal, NoReturn, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec import inspect

from whalefall.api.errors import UnparsableBodyError
from whalefall.api.json_nodes import DEPTH_MAX, JSONError, Kind, Node, TooManyNodesError, parse
from whalefall.base.errors import MalformedBodyError

T = TypeVar("T")

SYNTAX_LEAD = "Failed to parse the request body as JSON: "
DATA_LEAD = "Failed to deserialize the JSON body into the target type: "

_DUPLICATES_BYTES_MAX = 1024 * 1024
"""Past this a second parse costs more than the oddity it finds; the last duplicate wins then."""
_BRACKETS = {0x5B: 1, 0x7B: 1, 0x5D: -1, 0x7D: -1}
_NOT_STRUCTURE = bytes(byte for byte in range(256) if byte not in b'"[]{}')


def decode(body: bytes, wire_type: type[T]) -> T:
    """Raises MalformedBodyError. For small bodies; large ones go through body.decode_body."""
    decoded = decode_fast(body, wire_type)
    return decode_slow(body, wire_type) if decoded is None else decoded


def decode_fast(body: bytes, wire_type: type[T]) -> T | None:
    """None when the body needs the slow road, be it to explain or to accept it."""
    try:
        decoded = msgspec.json.decode(body, type=wire_type)
        if _is_too_deep(body) or _has_duplicate_keys(body):
            return None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return decoded


def decode_slow(body: bytes, wire_type: type[T]) -> T:
    """Raises UnparsableBodyError for what is not JSON, MalformedBodyError for a wrong type."""
    try:
        node = parse(body)
    except JSONError as error:
        text = _located(error.text, error.path, body, error.offset)
        raise UnparsableBodyError(SYNTAX_LEAD + text) from None
    except TooManyNodesError:
        raise MalformedBodyError(DATA_LEAD + _short_text(body, wire_type)) from None
    try:
        _check(_described(wire_type), node, ())  # type: ignore[arg-type] # a class is hashable
    except _NotAnEnum as error:
        text = _located("expected value", error.path, body, error.offset + 1)
        raise UnparsableBodyError(SYNTAX_LEAD + text) from None
    except _DataError as error:
        text = _located(error.text, error.path, body, error.offset)
        raise MalformedBodyError(DATA_LEAD + text) from None
    return _converted(node, wire_type)


@functools.cache
def _described(wire_type: type) -> inspect.Type:
    """Taking a type apart costs milliseconds; the types are few and never change."""
    return inspect.type_info(wire_type)


def _converted(node: Node, wire_type: type[T]) -> T:
    try:
        return msgspec.convert(node.plain(), wire_type)
    except msgspec.ValidationError as error:
        raise MalformedBodyError(DATA_LEAD + str(error)) from None


def _short_text(body: bytes, wire_type: type[Any]) -> str:
    """The fast decoder's own words, for bodies too big to walk."""
    try:
        msgspec.json.decode(body, type=wire_type)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return str(error)
    return "duplicate fields or recursion limit exceeded"


def _located(text: str, path: tuple[str, ...], body: bytes, offset: int) -> str:
    line = body.count(b"\n", 0, offset) + 1
    column = offset - (body.rfind(b"\n", 0, offset) + 1)
    if all(segment == "?" for segment in path):
        return f"{text} at line {line} column {column}"
    joined = "".join(part if part.startswith("[") else f".{part}" for part in path).lstrip(".")
    return f"{joined}: {text} at line {line} column {column}"


# --- what msgspec lets pass ---------------------------------------------------------------------


def _is_too_deep(body: bytes) -> bool:
    if body.count(b"[") + body.count(b"{") < DEPTH_MAX:
        return False
    unescaped = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    structure = unescaped.translate(None, _NOT_STRUCTURE)
    brackets = b"".join(structure.split(b'"')[::2])
    return max(accumulate(map(_BRACKETS.__getitem__, brackets)), default=0) >= DEPTH_MAX


class _DuplicateKeyError(Exception):
    pass


def _has_duplicate_keys(body: bytes) -> bool:
    """Whether any object at all repeats a key; the slow road decides whether it matters there."""
    if len(body) > _DUPLICATES_BYTES_MAX:
        return False
    try:
        json.loads(body, object_pairs_hook=_reject_duplicates)
    except _DuplicateKeyError:
        return True
    return False


def _reject_duplicates(pairs: list[tuple[str, Any]]) -> None:
    if len(pairs) > 1 and len({key for key, _ in pairs}) != len(pairs):
        raise _DuplicateKeyError


# --- walking the wire type beside the nodes -----------------------------------------------------


class _DataError(Exception):
    def __init__(self, text: str, path: tuple[str, ...], offset: int) -> None:
        super().__init__(text)
        self.text = text
        self.path = path
        self.offset = offset


class _NotAnEnum(_DataError):
    """A value that cannot even start an enum: read from bytes, serde_json calls that a syntax
    error; read from a buffered value, a wrong type."""


_EXPECTED = {
    inspect.StrType: (frozenset({Kind.STRING}), "a string"),
    inspect.BoolType: (frozenset({Kind.BOOL}), "a boolean"),
    inspect.FloatType: (frozenset({Kind.INTEGER, Kind.FLOAT}), "f32"),
    inspect.ListType: (frozenset({Kind.SEQUENCE}), "a sequence"),
    inspect.DictType: (frozenset({Kind.MAP}), "a map"),
}


def _check(wire_type: inspect.Type, node: Node, path: tuple[str, ...]) -> None:
    """Raises _DataError at the first thing, in the body's order, that does not fit the type."""
    match wire_type:
        case inspect.UnionType():
            _check_union(wire_type, node, path)
        case inspect.Metadata():
            _check_described(wire_type, node, path)
        case inspect.StructType():
            _check_struct(wire_type, node, path)
        case inspect.LiteralType():
            _check_variant(tuple(map(str, wire_type.values)), node, path)
        case inspect.IntType():
            _check_integer(wire_type, node, path)
        case inspect.AnyType():
            pass
        case _:
            _check_plain(wire_type, node, path)


def _check_plain(wire_type: inspect.Type, node: Node, path: tuple[str, ...]) -> None:
    kinds, expected = _EXPECTED[type(wire_type)]
    if node.kind not in kinds:
        _mismatch(node, expected, path)
    if isinstance(wire_type, inspect.ListType):
        for index, item in enumerate(node.value):
            _check(wire_type.item_type, item, (*path, f"[{index}]"))


def _mismatch(node: Node, expected: str, path: tuple[str, ...]) -> NoReturn:
    """A container is refused before it is read, a scalar after: so do the positions stand."""
    is_container = node.kind in (Kind.SEQUENCE, Kind.MAP)
    text = f"invalid type: {_unexpected(node)}, expected {expected}"
    raise _DataError(text, path, node.start if is_container else node.end)


def _check_integer(wire_type: inspect.IntType, node: Node, path: tuple[str, ...]) -> None:
    low, high = wire_type.ge, wire_type.le
    assert low == 0
    assert high is not None
    expected = f"u{high.bit_length()}"
    if node.kind is not Kind.INTEGER:
        _mismatch(node, expected, path)
    if not low <= node.value <= high:
        text = f"invalid value: {_unexpected(node)}, expected {expected}"
        raise _DataError(text, path, node.end)


def _check_union(wire_type: inspect.UnionType, node: Node, path: tuple[str, ...]) -> None:
    types = [one for one in wire_type.types if not isinstance(one, inspect.NoneType)]
    if node.kind is Kind.NULL and len(types) < len(wire_type.types):
        return
    if len(types) == 1:
        _check(types[0], node, path)
    else:
        _check_tagged([one for one in types if isinstance(one, inspect.StructType)], node, path)


def _check_described(wire_type: inspect.Metadata, node: Node, path: tuple[str, ...]) -> None:
    """A union the real parser reads with code of its own: its annotation says how it complains."""
    extra = wire_type.extra or {}
    union = wire_type.type
    assert isinstance(union, inspect.UnionType)
    if extra.get("names_bad_items") and node.kind is Kind.SEQUENCE:
        _check(next(one for one in union.types if isinstance(one, inspect.ListType)), node, path)
        return
    for one in union.types:
        try:
            _check(one, node, path)
        except _DataError:
            continue
        return
    name = extra.get("untagged_enum")
    text = f"data did not match any variant of untagged enum {name}"
    raise _DataError(extra.get("mismatch", text), path, node.end)


def _check_variant(variants: tuple[str, ...], node: Node, path: tuple[str, ...]) -> None:
    if node.kind is not Kind.STRING:
        text = f"invalid type: {_unexpected(node)}, expected string or map"
        raise _NotAnEnum(text, path, node.start)
    if node.value not in variants:
        text = f"unknown variant `{node.value}`, expected {_one_of(variants)}"
        raise _DataError(text, path, node.end)


def _check_struct(wire_type: inspect.StructType, node: Node, path: tuple[str, ...]) -> None:
    if node.kind is not Kind.MAP:
        _mismatch(node, f"struct {wire_type.cls.__name__}", path)
    if getattr(wire_type.cls, "is_buffered", False):
        _check_buffered(wire_type, node, path)
    else:
        _check_fields(wire_type, node, path)


def _check_buffered(wire_type: inspect.StructType, node: Node, path: tuple[str, ...]) -> None:
    """Values read whole before they are judged: complaints carry the whole's path and end."""
    try:
        _check_fields(wire_type, node, path)
    except _DataError as error:
        raise _DataError(error.text, path, node.end) from None


def _check_fields(wire_type: inspect.StructType, node: Node, path: tuple[str, ...]) -> None:
    fields = {field.encode_name: field for field in wire_type.fields}
    seen: set[str] = set()
    for entry in node.value:
        field = fields.get(entry.key)
        if field is None:
            continue
        if entry.key in seen:
            raise _DataError(f"duplicate field `{entry.key}`", path, entry.key_end)
        seen.add(entry.key)
        if _is_enum(field.type, entry.node):
            _check_variant(_variants(wire_type.cls, field.name), entry.node, (*path, entry.key))
        else:
            _check(field.type, entry.node, (*path, entry.key))
    for name, field in fields.items():
        if field.required and name not in seen:
            raise _DataError(f"missing field `{name}`", path, node.end)


def _is_enum(wire_type: inspect.Type, node: Node) -> bool:
    """Whether the node has to be one of some words; null is none where it is allowed."""
    if isinstance(wire_type, inspect.UnionType) and node.kind is not Kind.NULL:
        return {type(one) for one in wire_type.types} == {inspect.LiteralType, inspect.NoneType}
    return isinstance(wire_type, inspect.LiteralType)


@functools.cache
def _variants(struct: type, name: str) -> tuple[str, ...]:
    """In the order of their declaration, which inspect does not keep."""
    hint = get_type_hints(struct)[name]
    literals = [one for one in (hint, *get_args(hint)) if get_origin(one) is Literal]
    return get_args(literals[0])


def _check_tagged(types: list[inspect.StructType], node: Node, path: tuple[str, ...]) -> None:
    """An internally tagged enum: the tag is judged on sight, everything else at the end."""
    if node.kind is not Kind.MAP:
        name = getattr(types[0].cls, "enum_name", "ChatCompletionRequestMessage")
        _mismatch(node, f"internally tagged enum {name}", path)
    tag_field = types[0].tag_field
    assert tag_field is not None
    by_tag = {str(one.tag): one for one in types}
    tag: str | None = None
    for entry in node.value:
        if entry.key != tag_field:
            continue
        if tag is not None:
            raise _DataError(f"duplicate field `{tag_field}`", path, entry.key_end)
        if entry.node.kind is not Kind.STRING:
            _mismatch(entry.node, "variant identifier", (*path, tag_field))
        _check_variant(tuple(by_tag), entry.node, (*path, tag_field))
        tag = entry.node.value
    if tag is None:
        raise _DataError(f"missing field `{tag_field}`", path, node.end)
    _check_buffered(by_tag[tag], node, path)


# --- words --------------------------------------------------------------------------------------


def _one_of(variants: tuple[str, ...]) -> str:
    quoted = [f"`{variant}`" for variant in variants]
    if len(quoted) <= 2:
        return " or ".join(quoted)
    return "one of " + ", ".join(quoted)


def _unexpected(node: Node) -> str:
    match node.kind:
        case Kind.STRING:
            return f"string {_rust_debug(node.value)}"
        case Kind.BOOL:
            return f"boolean `{'true' if node.value else 'false'}`"
        case Kind.INTEGER:
            return f"integer `{node.value}`"
        case Kind.FLOAT:
            return f"floating point `{_rust_float(node.value)}`"
        case Kind.NULL | Kind.SEQUENCE | Kind.MAP:
            return str(node.kind.value)


_RUST_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\0": "\\0",
}


def _rust_debug(text: str) -> str:
    """How Rust's {:?} prints a string."""
    pieces = (
        _RUST_ESCAPES.get(char) or (char if char.isprintable() else f"\\u{{{ord(char):x}}}")
        for char in text
    )
    return '"' + "".join(pieces) + '"'


def _rust_float(value: float) -> str:
    """The shortest form, with Rust's exponent: 1e20 where Python says 1e+20."""
    mantissa, has_exponent, exponent = repr(value).partition("e")
    return f"{mantissa}e{int(exponent)}" if has_exponent else mantissa
