"""The platform's one error tree. Each error carries the HTTP status and the wire's `type` and
`code`; the api folder renders it, nobody else knows what a response looks like.

PlatformError
├── InvalidRequestError           400  the business rules refuse the request
├── MalformedBodyError            400  the body is not JSON, or not the JSON the endpoint takes
├── AuthenticationError           401  no key, an odd header, or a key we do not know
├── InsufficientBalanceError      402  the balance cannot pay the prompt and one token
├── PermissionDeniedError         403  the caller is known and may not do this
├── NotFoundError                 404  empty body on the public wire
├── MethodNotAllowedError         405  empty body on the public wire
├── BodyTooLargeError             413  more bytes than the limit
├── UnsupportedMediaTypeError     415  not application/json
├── RateLimitedError              429  this account has to slow down
├── ServerError                   500  a bug, or a broken installation
└── OverloadedError               503  the platform is saturated, or the engine is restarting

Texts and bodies are those of the real API as collected from recorded traffic.
"""

from __future__ import annotations

from typing import ClassVar


class PlatformError(Exception):
    """Something the platform refuses or cannot do, told to the caller in `message`."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"
    code: ClassVar[str] = "invalid_request_error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidRequestError(PlatformError):
    status = 400
    type = "invalid_request_error"


class MalformedBodyError(InvalidRequestError):
    """Texts are those of serde_json: what was wrong, where, at which line and column."""


class AuthenticationError(PlatformError):
    status = 401
    type = "authentication_error"


class InsufficientBalanceError(PlatformError):
    status = 402
    type = "unknown_error"

    def __init__(self, message: str = "Insufficient Balance") -> None:
        super().__init__(message)


class PermissionDeniedError(PlatformError):
    status = 403
    type = "permission_error"


class NotFoundError(PlatformError):
    status = 404
    type = "invalid_request_error"


class MethodNotAllowedError(PlatformError):
    status = 405
    type = "invalid_request_error"


class BodyTooLargeError(PlatformError):
    status = 413
    type = "invalid_request_error"


class UnsupportedMediaTypeError(PlatformError):
    status = 415
    type = "invalid_request_error"


class RateLimitedError(PlatformError):
    status = 429
    type = "rate_limit_error"


class ServerError(PlatformError):
    status = 500
    type = "server_error"
    code = "server_error"


class OverloadedError(PlatformError):
    status = 503
    type = "service_unavailable_error"
    code = "service_unavailable_error"

    def __init__(
        self,
        message: str = (
            "Service is too busy. We advise users to temporarily switch to alternative LLM API "
            "service providers."
        ),
    ) -> None:
        super().__init__(message)
