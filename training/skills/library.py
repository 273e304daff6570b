"""Functions of Python's own standard library, read where it is installed: nothing is copied into
this project. They show what real code looks like."""

from __future__ import annotations

import ast
import sysconfig
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from training.holdout import Split, is_held_out

_MODULES = (
    "abc", "argparse", "base64", "bisect", "calendar", "cmd", "code", "codecs", "colorsys",
    "configparser", "contextlib", "copy", "csv", "dataclasses", "datetime", "difflib", "enum",
    "fileinput", "fnmatch", "fractions", "functools", "genericpath", "getopt", "gettext", "glob",
    "graphlib", "heapq", "hmac", "inspect", "ipaddress", "keyword", "linecache", "locale",
    "mimetypes", "netrc", "ntpath", "numbers", "operator", "optparse", "pathlib", "pickle",
    "pkgutil", "platform", "posixpath", "pprint", "queue", "quopri", "random", "reprlib",
    "rlcompleter", "sched", "selectors", "shelve", "shlex", "shutil", "socketserver", "stat",
    "statistics", "string", "stringprep", "tempfile", "textwrap", "threading", "timeit", "token",
    "tokenize", "trace", "traceback", "types", "typing", "uuid", "warnings", "wave", "weakref",
    "zipapp",
)  # fmt: skip
_LINES_MAX = 25
_CHARS_MAX = 700


@cache
def functions(split: Split) -> tuple[str, ...]:
    """Short functions and methods of one side in the order of the files, without indentation of
    their own."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    paths = (folder / f"{module}.py" for module in _MODULES)
    cut = dict.fromkeys(text for path in paths if path.exists() for text in _cut(path))
    return tuple(text for text in cut if is_held_out(text) is (split is Split.HELD_OUT))


def _cut(path: Path) -> Iterator[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    for node in ast.walk(ast.parse("\n".join(lines))):
        if isinstance(node, ast.FunctionDef) and node.end_lineno is not None:
            own = lines[node.lineno - 1 : node.end_lineno]
            text = "\n".join(line[node.col_offset :] for line in own) + "\n"
            if 2 <= len(own) <= _LINES_MAX and len(text) <= _CHARS_MAX and _parses(text):
                yield text


def _parses(text: str) -> bool:
    """A text string of many lines loses its meaning, maybe, but never the syntax."""
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True
