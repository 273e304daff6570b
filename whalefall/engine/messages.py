"""What crosses the border between the platform's process and the engine's: msgpack, tagged unions.

Never pickle: whoever reaches the socket can send values, not code. A request travels as raw bytes
inside its envelope, so that one malformed request can be refused by its id."""

from __future__ import annotations

from pathlib import Path

import msgspec

from whalefall.engine.client import EngineLoad, ModelInfo
from whalefall.engine.config import EngineConfig
from whalefall.engine.request import EngineOutput, EngineRequest


class ProcessConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Everything an engine process is told when it is started, as JSON on its command line."""

    model_name: str
    address: str
    """Of the parent's PAIR socket: `ipc://…` in a folder that only this user can enter."""
    parent_pid: int
    engine: EngineConfig
    tokenizer_path: str | None = None
    """The model's tokenizer.json, needed for structured output only."""
    heartbeat_seconds: float = 0.5


class AddRequest(msgspec.Struct, frozen=True, tag="add"):
    request_id: str
    request: msgspec.Raw
    """An EngineRequest, still encoded."""


class AbortRequest(msgspec.Struct, frozen=True, tag="abort"):
    request_id: str


class Shutdown(msgspec.Struct, frozen=True, tag="shutdown"):
    pass


ToEngine = AddRequest | AbortRequest | Shutdown


class LoadProgress(msgspec.Struct, frozen=True, tag="progress"):
    message: str
    fraction: float


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    model_info: ModelInfo


class RequestFailed(msgspec.Struct, frozen=True):
    request_id: str
    message: str


class News(msgspec.Struct, frozen=True, tag="news"):
    """All that one step brought, and a snapshot. Without outputs it is a heartbeat."""

    load: EngineLoad
    outputs: list[EngineOutput] = []
    failures: list[RequestFailed] = []


class Fatal(msgspec.Struct, frozen=True, tag="fatal"):
    """The engine cannot start; its process ends."""

    message: str


FromEngine = LoadProgress | Ready | News | Fatal


class Codec:
    """Encoders and decoders, built once per process and used by one thread."""

    def __init__(self) -> None:
        self._encoder = msgspec.msgpack.Encoder()
        self._to_engine = msgspec.msgpack.Decoder(ToEngine)
        self._from_engine = msgspec.msgpack.Decoder(FromEngine)
        self._request = msgspec.msgpack.Decoder(EngineRequest)

    def encode(self, message: ToEngine | FromEngine) -> bytes:
        return self._encoder.encode(message)

    def add_request(self, request: EngineRequest) -> bytes:
        raw = msgspec.Raw(self._encoder.encode(request))
        return self._encoder.encode(AddRequest(request.request_id, raw))

    def to_engine(self, data: bytes) -> ToEngine:
        """Raises msgspec.MsgspecError for anything else."""
        return self._to_engine.decode(data)

    def request(self, raw: msgspec.Raw) -> EngineRequest:
        """Raises msgspec.MsgspecError for anything else."""
        return self._request.decode(raw)

    def from_engine(self, data: bytes) -> FromEngine:
        """Raises msgspec.MsgspecError for anything else."""
        return self._from_engine.decode(data)


def process_config_to_json(config: ProcessConfig) -> str:
    return msgspec.json.encode(config, enc_hook=_encode_path).decode()


def process_config_from_json(text: str) -> ProcessConfig:
    """Raises msgspec.MsgspecError naming the field that is wrong."""
    return msgspec.json.decode(text, type=ProcessConfig, dec_hook=_decode_path)


def _encode_path(value: object) -> str:
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(f"{type(value)} does not travel between processes")


def _decode_path(kind: type, value: object) -> Path:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise NotImplementedError(f"{kind} does not travel between processes")
