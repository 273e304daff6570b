"""What can go wrong inside the engine, told in the engine's own small tree.

EngineError
├── EngineRejectedError    this one request cannot run; the engine is well
├── EngineDiedError        the engine process ended; everything in flight is lost, it restarts
└── CheckpointError        the checkpoint on disk is not what its config says
"""

from __future__ import annotations


class EngineError(Exception):
    pass


class EngineRejectedError(EngineError):
    pass


class EngineDiedError(EngineError):
    pass


class CheckpointError(EngineError):
    pass
