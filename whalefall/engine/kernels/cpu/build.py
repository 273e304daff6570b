"""Compiling the native kernels on first use, for the very processor that runs them.

The result is kept in a private folder under a name made of the sources, the flags and the
processor, so a new version or another machine compiles anew and nothing stale is ever loaded. Two
processes may compile at once: each renames a finished file into place."""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

SOURCES = Path(__file__).parent / "native"
COMPILER = "gcc"
FLAGS = ("-std=gnu11", "-O3", "-march=native", "-ffp-contract=off", "-fno-math-errno")
_LINKING = ("-shared", "-fPIC")
_TIMEOUT_SECONDS = 600.0
"""It takes a few seconds of one core; on a crowded machine that can be minutes."""
_PROCESSOR_FILE = Path("/proc/cpuinfo")

_log = logging.getLogger(__name__)


def build(folder: Path, compiler: str = COMPILER, flags: Sequence[str] = FLAGS) -> Path | None:
    """The shared library, compiled into `folder` unless it is there already; None, and one line in
    the log, when there is no compiler or it fails."""
    target = folder / f"kernels-{_fingerprint(compiler, flags)}.so"
    try:
        _make_private(folder)
        if not target.is_file():
            _compile(target, compiler, flags)
    except (OSError, subprocess.SubprocessError) as error:
        _log.warning("no native kernels, PyTorch computes instead: %s", _told(error))
        return None
    return target


def _make_private(folder: Path) -> None:
    """Code is loaded from here, so nobody else may write to it. Raises PermissionError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.stat()
    if status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise PermissionError(f"{folder} can be written by others")


def _compile(target: Path, compiler: str, flags: Sequence[str]) -> None:
    sources = [str(path) for path in sorted(SOURCES.glob("*.c"))]
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        made = Path(folder) / "kernels.so"
        command = [compiler, *flags, *_LINKING, *sources, "-o", str(made), "-lm"]
        subprocess.run(  # noqa: S603 - our own sources, no shell
            command, check=True, capture_output=True, timeout=_TIMEOUT_SECONDS
        )
        made.rename(target)


def _fingerprint(compiler: str, flags: Sequence[str]) -> str:
    digest = hashlib.sha256(repr((compiler, *flags, *_LINKING, _processor())).encode())
    for path in sorted(SOURCES.glob("*.[ch]")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:20]


def _processor() -> str:
    """What the compiler may make use of: on Linux the first core's model and features."""
    try:
        lines = _PROCESSOR_FILE.read_text(encoding="utf-8").split("\n\n", 1)[0].splitlines()
    except OSError:
        lines = []
    told = [line for line in lines if line.startswith(("model", "flags", "Features", "CPU part"))]
    return "\n".join((platform.machine(), *told))


def _told(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        said = error.stderr.decode("utf-8", "replace").strip().splitlines()
        return f"{error.cmd[0]} failed: {said[0] if said else error.returncode}"
    return f"{type(error).__name__}: {error}"
