"""Lists the benchmarks. Each is a module of its own, run by itself on a quiet machine:

python -m bench              this list
python -m bench.engine       one of them
"""

from __future__ import annotations

import ast
from pathlib import Path


def main() -> None:
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.stem.startswith("__"):
            continue
        summary = (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").partition("\n")[0]
        print(f"python -m bench.{path.stem:<10} {summary}")


if __name__ == "__main__":
    main()
