"""What is done with a document that does not fit: merge, translate in pieces, search, refuse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sibao.core.types import Completion, Scorer
from sibao.tasks._call import Call, length_notes, total
from sibao.tasks._pieces import Fits, pieces, units
from sibao.tasks._search import Window, rank, windows
from sibao.tasks.base import TaskResult
from sibao.text.split import paragraphs

READ = 4
"""Windows of a long passage that are read, best first."""


def _fit(call: Call, inputs: Any) -> Fits:
    """Whether a piece of the document fits with these inputs; white space always does."""
    return lambda text: not text.strip() or call.fits(call.with_text(inputs, text.strip()))


def _refuse(call: Call, inputs: Any) -> TaskResult:
    raise call.overflow(inputs)


def _merge(call: Call, inputs: Any) -> TaskResult:
    """Summarize each piece, then the summaries, until one is left. A model that does not shorten ends it, said so."""
    text, count = getattr(inputs, call.task.document), 0
    notes: list[str] = []
    done: list[Completion] = []
    while True:
        found = pieces(text, _fit(call, inputs))
        texts = [part.strip() for part in found.texts if part.strip()]
        notes += found.notes
        count = count or len(texts)
        completions = call.generate([call.with_text(inputs, part) for part in texts])
        done += completions
        merged = "\n".join(completion.text.strip() for completion in completions)
        if len(texts) == 1 or not merged.strip():
            break
        if call.model.count(merged) >= call.model.count(text):
            notes.append("the summaries are no shorter than their text; they stand one after another")
            break
        text = merged
    reason, usage = total(done)
    head = f"the text was summarized in {count} pieces and merged"
    fields = {**call.task.parse(merged, inputs), "pieces": count}
    return TaskResult(fields.pop("text"), reason, usage, 0.0, fields, (head, *notes, *length_notes(done)))


@dataclass(frozen=True)
class _Paragraph:
    """White space before, the pieces to translate, white space after."""

    head: str
    parts: list[str]
    tail: str


def _translate(call: Call, inputs: Any) -> TaskResult:
    """Each paragraph on its own, so that the breaks between them stand exactly as they were."""
    check = _fit(call, inputs)
    notes: list[str] = []
    plan: list[_Paragraph] = []
    for text in paragraphs(getattr(inputs, call.task.document)):
        found = pieces(text, check)
        notes += found.notes
        body = text.strip()
        head, _, tail = text.partition(body) if body else (text, "", "")
        plan.append(_Paragraph(head, [part.strip() for part in found.texts if part.strip()], tail))
    completions = call.generate([call.with_text(inputs, part) for piece in plan for part in piece.parts])
    done = iter([call.task.parse(completion.text, inputs)["text"] for completion in completions])
    glue = " " if inputs.to == "en" else ""
    out = "".join(piece.head + glue.join(next(done) for _ in piece.parts) + piece.tail for piece in plan)
    reason, usage = total(completions)
    fields = {**call.task.parse(out, inputs), "pieces": len(completions)}
    said = (f"the text was translated in {len(completions)} pieces", *notes, *length_notes(completions))
    return TaskResult(fields.pop("text"), reason, usage, 0.0, fields, said)


def _search(call: Call, inputs: Any) -> TaskResult:
    """Read the windows that are closest to the question and take the answer that stands best."""
    check = _fit(call, inputs)
    found = units(getattr(inputs, call.task.document), check)
    every = windows(found.texts, check)
    best = rank(inputs.question, every)[:READ]
    completions = call.generate([call.with_text(inputs, window.text) for window in best])
    chosen = _choose(call, inputs, best, completions)
    window = best[chosen]
    fields = call.task.parse(completions[chosen].text, call.with_text(inputs, window.text))
    if fields["start"] is not None:
        fields["start"] += window.start
    fields["pieces"] = len(every)
    _, usage = total(completions)
    head = f"the passage was searched in {len(every)} windows; the {len(best)} closest to the question were read"
    return TaskResult(fields.pop("text"), completions[chosen].finish_reason, usage, 0.0, fields, (head, *found.notes))


def _choose(call: Call, inputs: Any, best: list[Window], completions: list[Completion]) -> int:
    """The answer most likely per token if the model can score, else the first by rank that stands in its window.

    An empty answer, or one that its window does not hold, only wins when there is no other.
    """
    parsed = [
        call.task.parse(completion.text, call.with_text(inputs, window.text))
        for completion, window in zip(completions, best, strict=True)
    ]
    good = [i for i, fields in enumerate(parsed) if fields["start"] is not None]
    good = good or [i for i, fields in enumerate(parsed) if fields["text"]] or [0]
    if len(good) == 1 or not isinstance(call.model, Scorer):
        return good[0]
    pairs = [(call.prompt(call.with_text(inputs, best[i].text)), parsed[i]["text"]) for i in good]
    scores = [scored.loglikelihood / max(scored.tokens, 1) for scored in call.model.score(pairs)]
    return good[max(range(len(good)), key=lambda i: scores[i])]


STRATEGIES: dict[str, Callable[[Call, Any], TaskResult]] = {
    "merge": _merge,
    "pieces": _translate,
    "search": _search,
    "refuse": _refuse,
}
