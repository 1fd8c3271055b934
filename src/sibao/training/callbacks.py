"""What watches a run: the log file, the progress bar, TensorBoard. The loop calls them and never knows what they do."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sibao.core.paths import write_text
from sibao.core.progress import Progress


@dataclass(frozen=True)
class StepLog:
    """One optimizer step. ``loss`` in nats per target token, ``rate`` the factor on the base learning rate.

    ``figures``: what the objective measured besides (of preferences, how many were right).
    """

    step: int
    loss: float
    grad_norm: float
    rate: float
    tokens: int
    tokens_per_second: float
    joules: float
    figures: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class EvalLog:
    """One evaluation. ``bits_per_byte`` is None where the bytes of the text are not known; ``samples`` are continuations."""

    step: int
    valid_loss: float
    bits_per_byte: float | None
    samples: tuple[str, ...] = ()
    figures: dict[str, float] = field(default_factory=dict)


class Callback:
    """Does nothing; subclasses override what they need."""

    def on_start(self, step: int) -> None:
        """Before the first step of this process; ``step`` steps are already done."""

    def on_step(self, log: StepLog) -> None:
        """After every optimizer step."""

    def on_eval(self, log: EvalLog) -> None:
        """After every evaluation."""

    def on_end(self) -> None:
        """After the last step, also when an error ends the run."""


class JsonlLog(Callback):
    """``log.jsonl``: one object a line; on resume, what came after the checkpoint is cut off first."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_start(self, step: int) -> None:
        kept: list[str] = []
        if self.path.is_file():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue  # the half line of a killed process
                if entry["step"] <= step:
                    kept.append(line)
        write_text(self.path, "".join(k + "\n" for k in kept))

    def _append(self, entry: dict[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")

    def on_step(self, log: StepLog) -> None:
        self._append(_flat(log))

    def on_eval(self, log: EvalLog) -> None:
        self._append(_flat(log, "valid_"))


def _flat(log: StepLog | EvalLog, prefix: str = "") -> dict[str, Any]:
    """The fields as one object, figures among them."""
    entry = asdict(log)
    return entry | {prefix + name: value for name, value in entry.pop("figures").items()}


class Bar(Callback):
    """The progress bar."""

    def __init__(self, bar: Progress) -> None:
        self.bar = bar

    def on_start(self, step: int) -> None:
        if step:
            self.bar.skip(step)

    def on_step(self, log: StepLog) -> None:
        self.bar.advance(
            1,
            loss=f"{log.loss:.3f}",
            ppl=f"{math.exp(min(20.0, log.loss)):.1f}",
            tok_s=f"{log.tokens_per_second:.0f}",
            energy=f"{log.joules / 3600:.2f} Wh",
            **{name: f"{value:.2f}" for name, value in log.figures.items()},
        )

    def on_eval(self, log: EvalLog) -> None:
        bits = {} if log.bits_per_byte is None else {"bits_per_byte": f"{log.bits_per_byte:.3f}"}
        self.bar.update(valid=f"{log.valid_loss:.3f}", **bits)


class TensorBoard(Callback):
    """Event files for TensorBoard; made only where the package is installed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_start(self, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # what a killed process showed after its last checkpoint is hidden: those steps are done again
        self.writer = SummaryWriter(str(self.folder), purge_step=step + 1 if step else None)

    def on_step(self, log: StepLog) -> None:
        for name in ("loss", "grad_norm", "rate", "tokens_per_second", "joules"):
            self.writer.add_scalar(f"train/{name}", getattr(log, name), log.step)
        for name, value in log.figures.items():
            self.writer.add_scalar(f"train/{name}", value, log.step)

    def on_eval(self, log: EvalLog) -> None:
        self.writer.add_scalar("valid/loss", log.valid_loss, log.step)
        if log.bits_per_byte is not None:
            self.writer.add_scalar("valid/bits_per_byte", log.bits_per_byte, log.step)
        for name, value in log.figures.items():
            self.writer.add_scalar(f"valid/{name}", value, log.step)
        for i, text in enumerate(log.samples):
            self.writer.add_text(f"sample/{i}", text, log.step)

    def on_end(self) -> None:
        self.writer.close()
