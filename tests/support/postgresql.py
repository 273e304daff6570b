"""A throw-away PostgreSQL: its own cluster in a temporary folder, reached by a unix socket."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg


class NoPostgreSQLError(Exception):
    """Why none can be started here."""


class PostgreSQLServer:
    """Running from construction to stop(). Databases are cheap: each test gets its own."""

    def __init__(self, *, is_durable: bool = False) -> None:
        self._bin = _binaries()
        self._as_user = _as_postgres()
        self._folder = Path(tempfile.mkdtemp(prefix="wf-pg-"))
        if self._as_user:
            shutil.chown(self._folder, "postgres")
        self._data = str(self._folder / "data")
        self._run("initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8")
        fsync = "on" if is_durable else "off"
        settings = f"-k {self._folder} -c listen_addresses= -c fsync={fsync} -c max_connections=99"
        log = str(self._folder / "log")
        self._run("pg_ctl", "-D", self._data, "-l", log, "-w", "-o", settings, "start")

    def url(self, name: str) -> str:
        return f"postgresql://postgres@/{name}?host={self._folder}"

    def create(self, name: str, template: str = "template1") -> str:
        """A new database, as a copy of another; its URL."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as conn:
            conn.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
        return self.url(name)

    def drop(self, name: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as conn:
            conn.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())

    def stop(self) -> None:
        self._run("pg_ctl", "-D", self._data, "-m", "immediate", "-w", "stop")
        shutil.rmtree(self._folder)

    def _run(self, command: str, *arguments: str) -> None:
        """Output goes to a file: a server that inherits a pipe would keep it open for ever."""
        with tempfile.TemporaryFile() as output:
            ended = subprocess.run(
                [*self._as_user, str(self._bin / command), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                check=False,
            )
            if ended.returncode != 0:
                output.seek(0)
                text = output.read().decode(errors="replace")
                raise NoPostgreSQLError(f"{command} failed: {text}")


def _binaries() -> Path:
    """The newest version that Debian has put aside, else the one on the path."""
    versions = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4])
    )
    if versions:
        return versions[-1].parent
    found = shutil.which("initdb")
    if found is None:
        raise NoPostgreSQLError("PostgreSQL (initdb) is not installed here")
    return Path(found).resolve().parent


def _as_postgres() -> list[str]:
    """PostgreSQL refuses to run as root; then it runs as the user Debian makes for it."""
    if os.geteuid() != 0:
        return []
    if shutil.which("runuser") is None:
        raise NoPostgreSQLError("this is root, and runuser is missing to become postgres")
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        raise NoPostgreSQLError("this is root, and there is no user postgres to become") from None
    return ["runuser", "-u", "postgres", "--"]
