"""How often the MTP layer, one token ahead, predicts what the model then says itself.

That share is what speculative decoding would gain: at 50 % every second token would come free."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from whalefall.engine.models.deepseek_v32 import DeepseekV32ForCausalLM
from whalefall.evaluation.shares import Share


@torch.inference_mode()
def acceptance(
    model: DeepseekV32ForCausalLM, prompt_ids: Sequence[int], output_ids: Sequence[int]
) -> Share:
    """Of the greedy `output_ids` from the second on, how many the MTP layer foretells likewise
    greedily, from the hidden state two places before and the token one place before."""
    if len(output_ids) < 2:
        return Share(0, 0)
    ids = torch.tensor([*prompt_ids, *output_ids])
    hidden = model.forward_dense(ids[:-1].unsqueeze(0))[:, :-1]
    ahead = model.mtp_forward_dense(hidden, ids[1:-1].unsqueeze(0))
    first = len(prompt_ids) - 1
    foretold = model.compute_logits(ahead[0, first:]).argmax(dim=-1)
    said = ids[first + 2 :]
    assert foretold.shape == said.shape, "a prediction for every token but the first"
    return Share(int((foretold == said).sum()), len(said))
