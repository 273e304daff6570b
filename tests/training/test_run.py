"""The command as it is started, killed and started again."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest

from training.recipe import FULL_VOCAB_SIZE
from training.vocabulary import SubVocabulary

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

_NUM_STEPS = 6
_ROOT = Path(__file__).parents[2]


def _command(run_dir: Path) -> Sequence[str]:
    """One phase of small steps, with a checkpoint after each, over the first tokens only."""
    run_dir.mkdir(exist_ok=True)
    vocabulary = SubVocabulary(tuple(range(3000)), FULL_VOCAB_SIZE)
    (run_dir / "vocabulary.json").write_text(json.dumps(vocabulary.token_ids))
    return (
        sys.executable, "-m", "training.run", "--run-dir", str(run_dir), "--phases", "copying",
        "--steps", str(_NUM_STEPS), "--checkpoint-seconds", "0", "--as-written",
    )  # fmt: skip


def _losses(run_dir: Path) -> dict[int, set[float]]:
    """All that were written down for a step: two, if one that was done again came out otherwise."""
    losses: dict[int, set[float]] = defaultdict(set)
    metrics = run_dir / "metrics.jsonl"
    for line in metrics.read_text().splitlines() if metrics.exists() else ():
        row = json.loads(line)
        losses[row["step"]].add(row["loss"])
    return losses


def test_run_killed_in_its_midst_goes_on_to_the_same_curve(tmp_path: Path) -> None:
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    subprocess.run(_command(straight), cwd=_ROOT, check=True, capture_output=True)
    with subprocess.Popen(_command(killed), cwd=_ROOT, stdout=subprocess.DEVNULL) as process:
        while len(_losses(killed)) < _NUM_STEPS // 2 and process.poll() is None:
            time.sleep(0.02)
        process.kill()
        assert process.wait() == -9
    assert len(_losses(killed)) < _NUM_STEPS
    subprocess.run(_command(killed), cwd=_ROOT, check=True, capture_output=True)
    assert _losses(killed) == _losses(straight)
    assert list(_losses(killed)) == list(range(1, _NUM_STEPS + 1))
    assert all(len(each) == 1 for each in _losses(killed).values())
