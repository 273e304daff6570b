"""A real server: `python -m whalefall serve` in a process of its own, on a free port."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

START_SECONDS_MAX = 300


@dataclass
class Server:
    process: subprocess.Popen[str]
    data_dir: Path
    output: str
    environ: Mapping[str, str]

    @property
    def url(self) -> str:
        return _found(r"(http://\S+?)/chat/completions", self.output)

    @property
    def first_key(self) -> str:
        return _found(r"(sk-[0-9a-f]{32})", self.output)

    @property
    def first_admin(self) -> str:
        return _found(r"Admin +(\S+),", self.output)

    @property
    def first_password(self) -> str:
        return _found(r"Admin .*password (\S+)", self.output)

    @property
    def engine_pid(self) -> int:
        """The process id of the engine, which is the server's only child."""
        children = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        pids = [pid for each in children for pid in each.read_text().split()]
        engines = [
            int(pid)
            for pid in pids
            if b"whalefall.engine.process" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
        assert len(engines) == 1, f"expected one engine, found {engines}"
        return engines[0]

    def kill_dash_nine(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def command(self, *arguments: str) -> Any:  # noqa: ANN401 - whatever the command's JSON is
        """Run `whalefall ARGUMENTS --json` on this server's data."""
        return run_command(self.data_dir, self.environ, *arguments)

    def key(self, email: str, amount: str | None) -> str:
        """A new user with one key and, unless None, a grant; returns the key."""
        self.command("users", "create", email)
        if amount is not None:
            self.command("grant", email, amount)
        made = self.command("keys", "create", "--user", email, "--name", "test")
        return str(made["api_key"])


def run_command(data_dir: Path, environ: Mapping[str, str], *arguments: str) -> Any:  # noqa: ANN401
    done = subprocess.run(
        [sys.executable, "-m", "whalefall", *arguments, "--json", "--data-dir", str(data_dir)],
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
        env=dict(environ),
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@contextmanager
def serving(
    data_dir: Path, arguments: Sequence[str] = ("--port", "0"), **settings: str
) -> Iterator[Server]:
    """Serve until the block ends. Settings go in as WHALEFALL_ variables."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("WHALEFALL_")}
    environ |= {f"WHALEFALL_{key.upper()}": value for key, value in settings.items()}
    environ |= {"PYTHONUNBUFFERED": "1", "COLUMNS": "200"}
    log = (data_dir.parent / f"{data_dir.name}.log").open("a")
    process = subprocess.Popen(
        [sys.executable, "-m", "whalefall", "serve", *arguments, "--data-dir", str(data_dir)],
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        env=environ,
    )
    try:
        yield Server(process, data_dir, _greeting(process), environ)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
        assert process.stdout is not None
        process.stdout.close()
        log.close()


def _greeting(process: subprocess.Popen[str]) -> str:
    """Everything printed up to the end of the curl line."""
    timer = threading.Timer(START_SECONDS_MAX, process.kill)
    timer.start()
    lines = []
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        if line.lstrip().startswith("-d "):
            timer.cancel()
            return "".join(lines)
    timer.cancel()
    raise AssertionError(f"the server did not start: {''.join(lines)}")


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match is not None, f"{pattern} is not in: {text}"
    return match.group(1)
