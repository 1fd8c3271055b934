"""Data files to one clean file, and a look at what files hold.

report = prepare(["raw/", "more/*.csv.gz"], Path("train.jsonl.zst"))
print(report.to_json())
"""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sibao.core.errors import BadInput, DataError, SibaoError
from sibao.core.paths import atomic_path
from sibao.core.progress import progress
from sibao.core.system import logical_cores
from sibao.text.clean import CleanOptions
from sibao.text.dedup import Deduplicator, DedupOptions
from sibao.text.readers import OnBad, expand, format_of, read_numbered
from sibao.text.report import DataReport, Encoder
from sibao.text.rows import BadRow
from sibao.workflows._rows import Done, Job, Numbered, run

SMALL = 16 << 20
"""Bytes of input below which starting processes takes longer than the work."""
Paths = Path | str | Iterable[Path | str]


@dataclass(frozen=True)
class Bounds:
    """Rows at most (good and bad ones), and whether no progress is shown."""

    most: int | None = None
    quiet: bool = False

    def check(self, report: DataReport) -> None:
        """Refuse what holds more.

        Raises:
            BadInput: with the number.
        """
        if self.most is not None and report.rows + report.bad_rows > self.most:
            raise BadInput(
                f"more than {self.most:,} rows",
                hint="sibao data inspect FILE looks at files of any size; or take a part",
            )


def prepare(
    paths: Paths,
    out: Path | str,
    *,
    clean: CleanOptions | None = CleanOptions(),  # noqa: B008 (frozen)
    dedup: DedupOptions | None = DedupOptions(),  # noqa: B008 (frozen)
    tokenizer: Encoder | None = None,
    workers: int | None = None,
    on_bad: OnBad = "raise",
) -> DataReport:
    """Read, clean, deduplicate and write rows as JSON lines, in the order they were found.

    Args:
        paths: files, folders or patterns (see ``readers.expand``).
        out: ``.jsonl``, ``.jsonl.gz`` or ``.jsonl.zst``; it appears when everything went well, or not at all.
        clean, dedup: None leaves the step out.
        tokenizer: counts tokens for the report; with several workers it must be picklable.
        workers: processes; None takes all cores, and one for small inputs.
        on_bad: ``raise`` stops at the first bad row, ``report`` counts it and goes on.

    Raises:
        BadInput: an unknown extension, or ``out`` is among the inputs.
        DataError: a bad row (with ``raise``), or no row was left.
    """
    out, files = Path(out), expand(paths)
    if format_of(out)[0] != ".jsonl":
        raise BadInput(f"{out} is no .jsonl file", hint="write to FILE.jsonl, FILE.jsonl.gz or FILE.jsonl.zst")
    if out.exists() and any(str(file) != "-" and file.exists() and file.samefile(out) for file in files):
        raise BadInput(f"{out} is both read and written", hint="write to another file")
    report = DataReport(output=str(out))
    with _writer(out) as write:
        _pass(files, report, Job(clean, dedup, tokenizer), workers, on_bad, write)
        if not report.documents:
            raise DataError("no row was left", hint=_why_empty(report))
    return report


def inspect(
    paths: Paths,
    *,
    tokenizer: Encoder | None = None,
    workers: int | None = None,
    most: int | None = None,
    quiet: bool = False,
) -> DataReport:
    """What the files hold as Sibao understands them, duplicates and bad rows counted; nothing is changed or written.

    Raises:
        BadInput: more than ``most`` rows, where that is given.
    """
    report = DataReport()
    job = Job(None, DedupOptions(), tokenizer)
    _pass(expand(paths), report, job, workers, "report", None, Bounds(most, quiet))
    return report


def _pass(
    files: list[Path],
    report: DataReport,
    job: Job,
    workers: int | None,
    on_bad: OnBad,
    write: Callable[[Done], None] | None,
    bounds: Bounds = Bounds(),
) -> None:
    """Once through all files. Deduplication is the only step that needs the order, and runs here."""
    began = time.monotonic()
    report.files, report.counted_tokens = [str(file) for file in files], job.tokenizer is not None
    seen = Deduplicator(job.dedup) if job.dedup else None
    places = {str(file): place for place, file in enumerate(files)}
    sizes = [file.stat().st_size for file in files if str(file) != "-"]
    known = len(sizes) == len(files)
    unit, scale = ("MB", 1e6) if sum(sizes) >= 1e6 else ("byte", 1)
    with progress(sum(sizes) / scale if known else None, "reading", unit=unit, quiet=bounds.quiet) as bar:
        rows = _numbered(files, on_bad, report, lambda size: bar.advance(size / scale))
        for batch in run(job, rows, _workers(workers, sum(sizes) if known else SMALL)):
            for done in batch:
                _count(done, report, seen, on_bad, write)
            bounds.check(report)
            bar.update(documents=report.rows)
    if seen:
        report.exact_duplicates, report.near_duplicates = seen.counts.exact, seen.counts.near
        report.beyond_window, report.duplicate_pairs = seen.counts.outside, seen.counts.pairs
    report.bad.sort(key=lambda bad: (places.get(bad.file, 0), bad.line))
    report.seconds = time.monotonic() - began


def _workers(asked: int | None, size: int) -> int:
    if asked is not None and asked < 1:
        raise BadInput(f"workers is {asked}, wanted 1 or more")
    return asked or (logical_cores() if size > SMALL else 1)


def _numbered(
    files: list[Path], on_bad: OnBad, report: DataReport, on_bytes: Callable[[int], object]
) -> Iterator[Numbered]:
    for file in files:
        name = "<stdin>" if str(file) == "-" else str(file)
        found = read_numbered(file, on_bad=on_bad, reporter=report.add_bad, on_bytes=on_bytes)
        yield from ((name, line, row) for line, row in found)


def _count(
    done: Done, report: DataReport, seen: Deduplicator | None, on_bad: OnBad, write: Callable[[Done], None] | None
) -> None:
    if done.bad:
        if on_bad == "raise":
            raise done.bad.error()
        report.add_bad(done.bad)
        return
    report.rows += 1
    if done.reason:
        report.dropped[done.reason] += 1
        return
    if seen and done.mark and not seen.is_new_fingerprint(done.mark) and write:
        return
    if done.amount:
        report.add(done.kind, done.language, done.amount)
    if write:
        write(done)


def _why_empty(report: DataReport) -> str:
    reasons = [f"{count} dropped ({reason})" for reason, count in report.dropped.items()]
    bad: list[BadRow] = report.bad[:1]
    return "; ".join([*reasons, f"{report.bad_rows} bad rows", *(f"the first: {row.error()}" for row in bad)])


@contextmanager
def _writer(out: Path) -> Iterator[Callable[[Done], None]]:
    """Writes rows to a file that takes the place of ``out`` only at the end."""
    try:
        with atomic_path(out) as temporary, _compressed(temporary, format_of(out)[1]) as file:

            def write(done: Done) -> None:
                file.write((json.dumps(done.row, ensure_ascii=False, allow_nan=False) + "\n").encode())

            yield write
    except OSError as error:
        raise SibaoError(
            f"{out} cannot be written: {error.strerror or error}", hint="is the disk full, the folder yours?"
        ) from error


@contextmanager
def _compressed(path: Path, compression: str) -> Iterator[IO[bytes]]:
    """Equal rows give equal bytes: the gzip header carries no name and no time."""
    with path.open("wb") as plain:
        if compression == ".gz":
            with gzip.GzipFile("", "wb", 6, plain, mtime=0) as packed:
                yield packed  # type: ignore[misc]  # GzipFile is a binary file in all but its type
        elif compression == ".zst":
            import zstandard

            with zstandard.ZstdCompressor(level=6).stream_writer(plain, closefd=False) as packed_zst:
                yield packed_zst
        else:
            yield plain
