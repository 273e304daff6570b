"""From the API's sampling parameters to the engine's. Pure."""

from __future__ import annotations

from whalefall.chat.messages import ChatRequest, CompletionRequest
from whalefall.engine.request import SamplingParams

NUM_LOGPROBS = 20
"""Asked of the engine whenever log probabilities are wanted at all: a token that is not among the
twenty best is reported with a sentinel, so the twenty best have to be known."""


def model_temperature(api_temperature: float) -> float:
    """The temperature a model samples with when the API is asked for `api_temperature`.

    DeepSeek serves V3 with T_model = 0.3 * T_api up to 1 and T_api - 0.7 above, so that the
    default of 1.0 gives the model its best 0.3 (DeepSeek-V3-0324 model card, "Temperature").
    """
    return 0.3 * api_temperature if api_temperature <= 1.0 else api_temperature - 0.7


def sampling_params(
    request: ChatRequest | CompletionRequest, max_tokens: int, thinking_temperature: float | None
) -> SamplingParams:
    """`thinking_temperature` is given when the request thinks: the caller's temperature, top_p
    and penalties are then accepted and ignored, as the real API does."""
    if thinking_temperature is not None:
        return SamplingParams(
            max_tokens=max_tokens, temperature=thinking_temperature, seed=request.seed
        )
    return SamplingParams(
        max_tokens=max_tokens,
        temperature=model_temperature(request.temperature),
        top_p=request.top_p,
        frequency_penalty=request.frequency_penalty,
        presence_penalty=request.presence_penalty,
        seed=request.seed,
        logprobs=None if request.logprobs is None else NUM_LOGPROBS,
    )
