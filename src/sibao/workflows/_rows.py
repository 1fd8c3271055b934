"""The part of data preparation that needs no order, for one batch of rows: run in this process or on all cores."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import Any

from sibao.core.errors import DataError, SibaoError
from sibao.core.types import Row
from sibao.text.clean import CleanOptions, examine, repair
from sibao.text.dedup import DedupOptions, Fingerprint, fingerprint
from sibao.text.report import Amount, Encoder, language_of, measure
from sibao.text.rows import BadRow, kind_of, text_of

BATCH_ROWS = 256
BATCH_CHARACTERS = 1 << 20
DOCUMENTS = ("text", "form")
Numbered = tuple[str, int, Row]
"""File, line, row."""


@dataclass(frozen=True)
class Job:
    """What is done to every row; sent to each worker process once."""

    clean: CleanOptions | None = None
    dedup: DedupOptions | None = None
    tokenizer: Encoder | None = None


@dataclass(frozen=True)
class Done:
    """A row after the work: kept when ``reason`` is empty and ``bad`` None."""

    row: Row
    kind: str = ""
    language: str = ""
    reason: str = ""
    amount: Amount | None = None
    mark: Fingerprint | None = None
    bad: BadRow | None = None


def work(job: Job, batch: list[Numbered]) -> list[Done]:
    """All rows of a batch, in order."""
    return [_one(job, *numbered) for numbered in batch]


def _one(job: Job, file: str, line: int, row: Row) -> Done:
    try:
        kind = kind_of(row, file=file, line=line)
        row, reason = _clean(row, kind, job.clean) if job.clean else (row, "")
        text = text_of(row, file=file, line=line)
    except DataError as error:
        message = error.message.removeprefix(str(DataError("", file=file, line=line, field=error.field)))
        return Done(row, bad=BadRow(file, line, error.field, message, error.hint))
    if reason:
        return Done(row, kind, reason=reason)
    return Done(row, kind, language_of(text), "", measure(text, job.tokenizer), _mark(row, kind, text, job.dedup))


def _mark(row: Row, kind: str, text: str, options: DedupOptions | None) -> Fingerprint | None:
    """Near duplicates are looked for among documents only: questions about one passage, or references of one source,
    are alike and yet no duplicates. Of other rows everything but ``id`` must be the same."""
    if options is None:
        return None
    if kind in DOCUMENTS:
        return fingerprint(text, options)
    rest = {name: value for name, value in row.items() if name != "id"}
    return fingerprint(json.dumps(rest, sort_keys=True, ensure_ascii=False), replace(options, near=False))


def _clean(row: Row, kind: str, options: CleanOptions) -> tuple[Row, str]:
    """Rules of quality judge documents only: "你好" is no document but a good row to translate. A question's passage is
    left as it is, because ``answer_start`` counts its characters."""
    if kind == "qa":
        return row, ""
    if kind == "text":
        text, reason = examine(row["text"], options)
        return {**row, "text": text}, reason
    return {name: _repaired(value, options) for name, value in row.items()}, ""


def _repaired(value: Any, options: CleanOptions) -> Any:
    if isinstance(value, str):
        return repair(value, options)
    if isinstance(value, list):
        return [_repaired(item, options) for item in value]
    if isinstance(value, dict):
        return {name: _repaired(item, options) for name, item in value.items()}
    return value


def batches(rows: Iterator[Numbered]) -> Iterator[list[Numbered]]:
    """Up to ``BATCH_ROWS`` rows, fewer when they are long. What was read before an error is handed out first: the
    first bad row of a file is the one that is reported."""
    batch, size = list[Numbered](), 0
    try:
        for numbered in rows:
            batch.append(numbered)
            size += sum(len(value) for value in numbered[2].values() if isinstance(value, str | list))
            if len(batch) >= BATCH_ROWS or size >= BATCH_CHARACTERS:
                yield batch
                batch, size = [], 0
    except DataError:
        if batch:
            yield batch
        raise
    if batch:
        yield batch


_job = Job()


def _start(job: Job) -> None:
    global _job
    _job = job


def _work_here(batch: list[Numbered]) -> list[Done]:
    return work(_job, batch)


def run(job: Job, rows: Iterator[Numbered], workers: int) -> Iterator[list[Done]]:
    """Results in the order of the rows; at most three batches per worker are in memory.

    Worker processes are spawned, not forked: a fork of a process with threads (torch, DuckDB) may hang.
    """
    if workers <= 1:
        yield from (work(job, batch) for batch in batches(rows))
        return
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _start, (job,))
    try:
        yield from _in_order(pool.submit, batches(rows), 3 * workers)
    except BrokenProcessPool as error:
        raise SibaoError(
            "a worker process ended before its work was done",
            hint="out of memory? try workers=1; a script that calls this needs `if __name__ == '__main__':`",
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _in_order(
    submit: Callable[..., Future[list[Done]]], parts: Iterator[list[Numbered]], ahead: int
) -> Iterator[list[Done]]:
    waiting: deque[Future[list[Done]]] = deque()
    try:
        for part in parts:
            waiting.append(submit(_work_here, part))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
    except DataError:
        yield from (future.result() for future in waiting)
        raise
    yield from (future.result() for future in waiting)
