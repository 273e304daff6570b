"""A bounded XML reader for documents from elsewhere: no document type, no entities, nothing
fetched, and an end to how many elements there may be and how deep."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from whalefall.billing.bank_statements.problems import Place, Problem, StatementError

NUM_ELEMENTS_MAX = 600_000
DEPTH_MAX = 40
_SEPARATOR = "\n"


@dataclass(slots=True)
class Element:
    name: str
    """Without its namespace."""
    namespace: str
    attributes: dict[str, str]
    place: Place
    children: list[Element] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.parts).strip()

    def find(self, path: str) -> Element | None:
        """The first element at `A/B/C` below this one."""
        return next(self.find_all(path), None)

    def find_all(self, path: str) -> Iterator[Element]:
        head, _, rest = path.partition("/")
        for child in self.children:
            if child.name == head:
                if rest:
                    yield from child.find_all(rest)
                else:
                    yield child

    def need(self, path: str) -> Element:
        """StatementError, with the place of this one, when there is none."""
        found = self.find(path)
        if found is None:
            raise StatementError(Problem.MISSING, self.place, found=f"{self.name}/{path}")
        return found

    def text_at(self, *paths: str) -> str:
        """The text at the first of the paths that has one."""
        found = (element.text for path in paths for element in self.find_all(path))
        return next((text for text in found if text), "")


def parse_xml(data: bytes, file: str) -> Element:
    """The document's one element. StatementError for anything that is not a plain document."""
    builder = _Builder(file)
    try:
        builder.parser.Parse(data, True)
    except expat.ExpatError as error:
        place = Place(file, error.lineno, str(error.offset + 1))
        raise StatementError(Problem.NOT_XML, place) from None
    except (ValueError, LookupError):
        # An encoding that the reader does not know.
        raise StatementError(Problem.NOT_XML, builder.place) from None
    assert builder.root is not None
    return builder.root


class _Builder:
    def __init__(self, file: str) -> None:
        self._file = file
        self._open: list[Element] = []
        self._num_elements = 0
        self.root: Element | None = None
        self.parser = expat.ParserCreate(namespace_separator=_SEPARATOR)
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.StartDoctypeDeclHandler = self._refuse_doctype

    @property
    def place(self) -> Place:
        column = str(self.parser.CurrentColumnNumber + 1)
        return Place(self._file, self.parser.CurrentLineNumber, column)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._num_elements += 1
        if self._num_elements > NUM_ELEMENTS_MAX or len(self._open) >= DEPTH_MAX:
            raise StatementError(Problem.TOO_DEEP, self.place)
        namespace, _, local = name.rpartition(_SEPARATOR)
        element = Element(local, namespace, attributes, self.place)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def _end(self, _name: str) -> None:
        self._open.pop()

    def _text(self, text: str) -> None:
        self._open[-1].parts.append(text)

    def _refuse_doctype(self, *_declaration: object) -> None:
        raise StatementError(Problem.DOCTYPE, self.place)
