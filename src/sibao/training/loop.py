"""The one training loop: batches in, optimizer steps out, evaluation and checkpoints on the way.

The same seed and recipe give the same losses to the bit on CPU, whether a run went through or was killed and resumed:
data order is a function of the step, and a checkpoint holds weights, optimizer and random state.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, ModuleType

import torch

from sibao.core.errors import TrainingError
from sibao.nn.network import Network
from sibao.training import checkpoint
from sibao.training.batches import AnyBatch, RowSource
from sibao.training.callbacks import Callback, EvalLog, StepLog
from sibao.training.optim import make_optimizers, set_rate
from sibao.training.recipe import Recipe
from sibao.training.schedule import factor


@dataclass
class Job:
    """Everything a run needs. ``write_model`` writes model and tokenizer files of a checkpoint into a folder.

    ``token_bytes`` [V]: bytes of text that each token id stands for, for bits per byte. ``sample`` continues the
    recipe's prompts.
    ``joules`` reads the energy meter of this process. ``figures`` gives what the objective measured since it was last
    asked: after each step and each evaluation.
    """

    recipe: Recipe
    model: Network
    objective: ModuleType
    train: RowSource
    folder: Path
    write_model: Callable[[Path], None]
    valid: RowSource | None = None
    token_bytes: torch.Tensor | None = None
    callbacks: list[Callback] = field(default_factory=list)
    sample: Callable[[], tuple[str, ...]] | None = None
    joules: Callable[[], float] = lambda: 0.0
    compiled: Callable[[Network], None] | None = None
    figures: Callable[[], dict[str, float]] = dict


@dataclass(frozen=True)
class Outcome:
    """How a run ended. ``finished`` is False when it was stopped and can be resumed."""

    state: checkpoint.State
    finished: bool
    checkpoint: Path


class Stop:
    """Asks the loop to save and return after the step at hand: on SIGTERM, SIGINT, or when the time is up."""

    def __init__(self, max_minutes: float | None) -> None:
        self.deadline = math.inf if max_minutes is None else time.monotonic() + 60 * max_minutes
        self.signalled = False

    @property
    def asked(self) -> bool:
        """Whether to stop now."""
        return self.signalled or time.monotonic() >= self.deadline

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.signalled = True

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Catch the signals for the length of the block (main thread only; elsewhere signals go their own way)."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {s: signal.signal(s, self._handle) for s in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def train(job: Job, resume: Path | None = None) -> Outcome:
    """Run the recipe's steps.

    Args:
        resume: checkpoint to continue from; the model already holds its weights.

    Raises:
        TrainingError: the loss is not finite, or a checkpoint cannot be written. The last good checkpoint is intact.
    """
    section = job.recipe.run
    torch.manual_seed(section.seed)
    _settle(job.model)
    optimizers = make_optimizers(job.model, job.recipe.optimizer)
    state = checkpoint.State()
    if resume is not None:
        state = checkpoint.read_state(resume)
        checkpoint.load_optimizers(resume, optimizers)
    if job.compiled is not None and section.compile:
        job.compiled(job.model)
    stop = Stop(section.max_minutes)
    for callback in job.callbacks:
        callback.on_start(state.step)
    try:
        with stop.listening():
            path = _steps(job, state, optimizers, stop)
    finally:
        for callback in job.callbacks:
            callback.on_end()
    return Outcome(state, state.step >= job.recipe.schedule.steps, path)


@torch.no_grad()
def _settle(model: Network) -> None:
    """Give every weight memory of its own, aligned and in order. Weights just read from a file lie where the file put
    them, and matrix products may round otherwise there: a resumed run would leave the track in the last bit."""
    for parameter in model.parameters():
        parameter.data = parameter.data.clone(memory_format=torch.contiguous_format)


def _steps(job: Job, state: checkpoint.State, optimizers: list[torch.optim.Optimizer], stop: Stop) -> Path:
    section, steps = job.recipe.run, job.recipe.schedule.steps
    seconds_before, joules_before, began = state.seconds, state.joules, time.monotonic()
    path = job.folder / f"step-{state.step:06d}"
    while state.step < steps and not stop.asked:
        log = _step(job, state, optimizers)
        state.seconds = seconds_before + time.monotonic() - began
        state.joules = joules_before + job.joules()
        log = StepLog(**{**log.__dict__, "joules": state.joules})
        for callback in job.callbacks:
            callback.on_step(log)
        last = state.step == steps
        if job.valid is not None and (last or state.step % section.eval_every == 0):
            evaluate(job, state)
        if last or state.step % section.save_every == 0 or state.best_step == state.step:
            path = checkpoint.save(job.folder, state, job.write_model, optimizers, section.keep_last)
    if path.name != f"step-{state.step:06d}" or not path.is_dir():
        path = checkpoint.save(job.folder, state, job.write_model, optimizers, section.keep_last)
    return path


def autocast(recipe: Recipe) -> AbstractContextManager[object]:
    """bf16 autocast where the recipe asks for it."""
    if recipe.run.precision == "fp32":
        return nullcontext()
    return torch.autocast(recipe.run.device.split(":")[0], torch.bfloat16)


def _step(job: Job, state: checkpoint.State, optimizers: list[torch.optim.Optimizer]) -> StepLog:
    """One optimizer step: the mean loss over all target tokens of its rows, however many micro-batches they come in."""
    began = time.monotonic()
    section = job.recipe.run
    whole = job.train.rows(state.step * section.rows, section.rows)
    targets, total = whole.target_tokens, 0.0
    if not targets:
        raise TrainingError(
            f"no token of step {state.step + 1} carries loss", hint="leave out rows without a target, or raise run.rows"
        )
    job.model.train()
    for micro in whole.split(section.micro_rows):
        loss = _loss(job, micro) / targets
        loss.backward()
        total += loss.item()
    parameters = [p for g in optimizers for group in g.param_groups for p in group["params"]]
    clip = job.recipe.optimizer.clip or math.inf
    norm = torch.nn.utils.clip_grad_norm_(parameters, clip).item()
    if not math.isfinite(total) or not math.isfinite(norm):
        raise TrainingError(
            f"the loss is {total} and the gradient's norm {norm} at step {state.step + 1}",
            hint="lower optimizer.lr or raise schedule.warmup; the last checkpoint is intact",
        )
    rate = factor(job.recipe.schedule, state.step)
    set_rate(optimizers, rate)
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    state.step += 1
    state.tokens += whole.size
    state.losses = [total]
    speed = whole.size / (time.monotonic() - began)
    return StepLog(state.step, total, norm, rate, state.tokens, speed, state.joules, job.figures())


def _loss(job: Job, batch: AnyBatch) -> torch.Tensor:
    with autocast(job.recipe):
        return job.objective.loss_sum(job.model, batch.to(job.recipe.run.device))


@torch.no_grad()
def valid_nats(job: Job) -> tuple[float, int, int]:
    """Summed negative log-likelihood of ``eval_rows`` validation rows, spread over all of them, the number of their
    target tokens, and the bytes of text these stand for (0 where that is not known)."""
    valid = job.valid
    if valid is None:
        return math.nan, 0, 0
    job.model.eval()
    total, count, size = 0.0, 0, 0
    rows, micro = valid.spread(job.recipe.run.eval_rows), job.recipe.run.micro_rows
    for first in range(0, len(rows), micro):
        batch = valid.at(rows[first : first + micro])
        total += _loss(job, batch).item()
        count += batch.target_tokens
        if job.token_bytes is not None:
            size += batch.bytes_of(job.token_bytes)
    return total, count, size


def evaluate(job: Job, state: checkpoint.State) -> EvalLog:
    """Validation loss and samples; remembers the best step.

    Bits per byte count what the end of each document costs too, spread over the bytes of the text.
    """
    total, count, size = valid_nats(job)
    loss = total / count
    bits = total / math.log(2) / size if size else None
    if loss < state.best_loss:
        state.best_loss, state.best_step = loss, state.step
    samples = job.sample() if job.sample else ()
    log = EvalLog(state.step, loss, bits, samples, job.figures())
    for callback in job.callbacks:
        callback.on_eval(log)
    return log
