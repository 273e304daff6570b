"""`whalefall model …`: what a checkpoint is, and whether it is whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from whalefall.cli.output import AsJSON, fail, settings_from, write_json, write_record
from whalefall.engine.checkpoint import Description
from whalefall.engine.checkpoint import describe as describe_checkpoint
from whalefall.engine.errors import CheckpointError

app = typer.Typer(help="Checkpoints.", no_args_is_help=True)
ModelDir = Annotated[
    Path | None,
    typer.Argument(help="A Hugging Face checkpoint directory; the served one if not given."),
]


@app.command()
def info(model_dir: ModelDir = None, as_json: AsJSON = False) -> None:
    """Show architecture, size and storage of a checkpoint."""
    directory, found = _describe(model_dir)
    config = found.config
    record = {
        "directory": str(directory),
        "architecture": config.architecture,
        "parameters": found.num_parameters,
        "bytes": found.num_bytes,
        "tensors": found.num_tensors,
        "storage": dict(found.dtypes) if as_json else _shares(found),
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "layers": config.num_hidden_layers,
        "mtp_layers": config.num_nextn_predict_layers,
        "heads": config.num_attention_heads,
        "kv_lora_rank": config.kv_lora_rank,
        "experts": config.n_routed_experts,
        "experts_per_token": config.num_experts_per_tok,
        "index_topk": config.index_topk,
        "max_position_embeddings": config.max_position_embeddings,
    }
    write_record("Model", record, as_json=as_json)


@app.command()
def check(model_dir: ModelDir = None, as_json: AsJSON = False) -> None:
    """Compare every tensor with the config. Ends with status 1 when anything is wrong."""
    directory, found = _describe(model_dir)
    if as_json:
        record = {
            "ok": not found.problems,
            "directory": str(directory),
            "parameters": found.num_parameters,
            "parameters_expected": found.num_expected,
            "problems": list(found.problems),
        }
        write_json(record)
    else:
        console = Console(highlight=False, soft_wrap=True)
        for problem in found.problems:
            console.print(f"[red]{problem}[/red]")
        console.print(
            f"{found.num_parameters} parameters, the config asks for {found.num_expected}"
        )
        if not found.problems:
            console.print("[green]The checkpoint is whole.[/green]")
    if found.problems:
        raise typer.Exit(1)


def _describe(model_dir: Path | None) -> tuple[Path, Description]:
    directory = model_dir or settings_from().model_dir
    try:
        return directory, describe_checkpoint(directory)
    except (CheckpointError, OSError) as error:
        fail(str(error))


def _shares(found: Description) -> str:
    total = sum(found.dtypes.values())
    return ", ".join(f"{dtype} {count / total:.0%}" for dtype, count in found.dtypes.items())
