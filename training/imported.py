"""A checkpoint to go on from, made of exported weights, when the run that they came from is gone.

What an export does not say is which ids had rows of their own; it can be seen: a rare id's row is
its form's common row plus a known direction, up to the rounding of FP8."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from training.token_forms import NUM_FORMS, TokenForms
from training.trainer import Progress, trained_state
from training.vocabulary import RareRows, SubVocabulary
from whalefall.engine.loader import load_model

_EMBEDDING = "model.embed_tokens.weight"
_ROUNDING_MAX = 0.1
"""Of a row's length. Rounding to e4m3 moves a row by 0.03 of it, training by 0.3 and more."""


def state_of_export(directory: Path, forms: TokenForms, seed: int) -> dict[str, Any]:
    """What `torch.load` gives for a run's checkpoint, without its optimiser and its counts.

    `seed` is that of the run behind the export: the directions of rare ids follow from it. Raises
    CheckpointError for a folder that is no checkpoint, ValueError for another seed's."""
    model, _ = load_model(directory)
    state = trained_state(model)
    own, common = own_rows(state[_EMBEDDING], forms, seed)
    state[_EMBEDDING] = torch.cat((common, state[_EMBEDDING][own]))
    return {
        "model": state,
        "optimizer": None,
        "progress": asdict(Progress()),
        "token_ids": tuple(own.tolist()),
    }


def own_rows(table: Tensor, forms: TokenForms, seed: int) -> tuple[Tensor, Tensor]:
    """table [V, d] -> the ids int64 [N] that were trained, ascending, and the forms' common rows
    [NUM_FORMS, d]. Most ids of each form are rare, so the median of their rows is common to all."""
    full_size, dim = table.shape
    rare_rows = RareRows(SubVocabulary((0,), full_size), forms, dim, seed)
    ids = torch.arange(full_size)
    bare = table - rare_rows.rare(torch.zeros(NUM_FORMS, dim), ids)
    is_own = torch.zeros(full_size, dtype=torch.bool)
    common = torch.zeros(NUM_FORMS, dim)
    for form in set(forms.form_of_token.tolist()):
        members = (forms.form_of_token == form).nonzero().squeeze(1)
        rows = bare[members]
        moved = (rows - rows.median(0).values).norm(dim=1) / table[members].norm(dim=1)
        is_own[members] = moved > _ROUNDING_MAX
        common[form] = rows[moved <= _ROUNDING_MAX].mean(0)
    if bool(is_own.float().mean() > 0.5):
        raise ValueError(f"these weights do not come from a run with the seed {seed}")
    return is_own.nonzero().squeeze(1), common
