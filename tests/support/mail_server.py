"""A mail server for tests: speaks enough SMTP over a real socket to take or refuse letters."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage


@dataclass
class MailServer:
    port: int = 0
    refusal: str = ""
    """Answered to RCPT in place of a welcome, e.g. `550 no such user`."""
    says_hello: bool = True
    senders: list[str] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    letters: list[EmailMessage] = field(default_factory=list)
    talks: list[asyncio.Task[None]] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.create_task(self._talk(reader, writer))
        self.talks.append(talk)
        await talk
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.says_hello:
            await reader.read()
            return
        await _say(writer, "220 mail.test")
        while line := (await reader.readline()).decode().strip():
            verb = line.split()[0].upper()
            if verb == "DATA":
                await _say(writer, "354 go on")
                self._keep(await reader.readuntil(b"\r\n.\r\n"))
                await _say(writer, "250 taken")
            elif verb == "QUIT":
                await _say(writer, "221 bye")
                break
            else:
                await _say(writer, self._answer(verb, line))

    def _answer(self, verb: str, line: str) -> str:
        if verb == "MAIL":
            self.senders.append(line)
        if verb == "RCPT":
            if self.refusal:
                return self.refusal
            self.recipients.append(line)
        return "250 fine"

    def _keep(self, content: bytes) -> None:
        text = content.removesuffix(b".\r\n").replace(b"\r\n..", b"\r\n.")
        self.letters.append(message_from_bytes(text, policy=policy.SMTP))


async def _say(writer: asyncio.StreamWriter, text: str) -> None:
    writer.write(text.encode() + b"\r\n")
    await writer.drain()


@contextlib.asynccontextmanager
async def mail_server() -> AsyncIterator[MailServer]:
    made = MailServer()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        await asyncio.gather(*made.talks, return_exceptions=True)
        await asyncio.sleep(0.01)
