"""Worked examples as training renders them, held against the prompts that inference would read."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from sibao.core.errors import ModelError
from sibao.core.types import Message, Row, words
from sibao.models.weights import read_json
from sibao.tasks.base import Task, load_task
from sibao.text.chat import render, to_text, training_ids
from sibao.text.readers import expand, read_numbered
from sibao.text.rows import kind_of
from sibao.text.tokenizer import Tokenizer
from sibao.workflows._check_tokens import CONVERSATION
from sibao.workflows._check_types import Finding, Sample, Subject, shown
from sibao.workflows._examples import TASK_OF, TEXT, Examples
from sibao.workflows._training_rows import TrainingRows, placed

BUILT_IN = "built-in"


def built_in_samples(tokenizer: Tokenizer) -> list[Sample]:
    """The sample that every model gets, as the task ``generate`` renders it.

    Raises:
        ModelError: the template cannot be trained with.
    """
    if tokenizer.has_template:
        return _samples(tokenizer, BUILT_IN, {"messages": CONVERSATION}, None)
    turns = zip(CONVERSATION[::2], CONVERSATION[1::2], strict=True)
    rows = [{"prompt": asked["content"], "completion": said["content"]} for asked, said in turns]
    return [sample for row in rows for sample in _samples(tokenizer, BUILT_IN, row, None)]


def data_samples(tokenizer: Tokenizer, files: Sequence[str], task: str | None, rows: int) -> list[Sample]:
    """Examples of the first rows of each file, through the task that training would take.

    Raises:
        DataError: a row that cannot be read or has no target: file, line and field.
    """
    found = []
    for path in expand(files):
        for line, row in islice(read_numbered(path), rows):
            with placed(str(path), line):
                found += _samples(tokenizer, f"{path}:{line}", row, task)
    return found


def _samples(tokenizer: Tokenizer, source: str, row: Row, name: str | None) -> list[Sample]:
    """What training makes of a row, and beside it what inference would read for the same inputs."""
    made = list(Examples(tokenizer, TrainingRows([], 0), sys.maxsize, "error").of(row, name))
    name = name or TASK_OF[kind_of(row)]
    if name == TEXT:
        return [Sample(source, ids, mask) for ids, mask in made]
    task = load_task(name)
    pairs = task.training_pairs(row)
    prompts = [_prompt(tokenizer, task, inputs) for inputs, _ in pairs]
    talks = [_messages(tokenizer, task, *pair) for pair in pairs]
    if len(made) == len(pairs):
        return [Sample(source, *m, talk, [prompt]) for m, talk, prompt in zip(made, talks, prompts, strict=True)]
    return [Sample(source, *made[0], talks[-1], prompts)]  # a conversation: one example for all of its answers


def _prompt(tokenizer: Tokenizer, task: Task[Any], inputs: Any) -> list[int]:
    if tokenizer.has_template:
        return render(tokenizer, task.messages(inputs))
    return tokenizer.encode(task.plain(inputs), add_special_tokens=True)


def _messages(tokenizer: Tokenizer, task: Task[Any], inputs: Any, target: str) -> list[Message]:
    if not tokenizer.has_template:
        return []
    return [*task.messages(inputs), {"role": "assistant", "content": target}]


def template_findings(subject: Subject, tokenizer: Tokenizer) -> Iterator[Finding]:
    """One template wherever it is written down, and one that training can follow turn by turn."""
    if not tokenizer.has_template:
        yield Finding("template", "ok", "none: tasks give this model plain text")
        return
    places = dict(_templates(subject))
    if len(set(places.values())) > 1:
        got = f"{' and '.join(places)} hold different templates"
        hint = "programs differ in which one they read: keep the one that the model was trained with"
        yield Finding("template", "fail", got, "one template", hint)
        return
    told = f"the same in {' and '.join(places)}" if len(places) > 1 else next(iter(places))
    try:
        training_ids(tokenizer, CONVERSATION[:2])
    except ModelError as error:
        hint = "the text of a whole turn must begin with the prompt that add_generation_prompt gives"
        got = f"training and inference render differently: {error.message}"
        yield Finding("template", "fail", got, "one rendering", hint)
        return
    try:
        training_ids(tokenizer, CONVERSATION)
    except ModelError:
        yield Finding(
            "template", "ok", f"{told}; it shows earlier turns otherwise, so each answer is an example of its own"
        )
    else:
        yield Finding("template", "ok", told)


def _templates(subject: Subject) -> Iterator[tuple[str, str]]:
    """Every place that holds a template for this model."""
    for folder, prefix in ((subject.folder, ""), (subject.adapter, "the adapter's ")):
        if folder is None:
            continue
        config = folder / "tokenizer_config.json"
        template = read_json(config).get("chat_template") if config.is_file() else None
        if isinstance(template, list):  # several named ones
            template = next((t.get("template") for t in template if t.get("name") == "default"), None)
        if template:
            yield f"{prefix}{config.name}", str(template)
        if (path := folder / "chat_template.jinja").is_file():
            yield f"{prefix}{path.name}", path.read_text(encoding="utf-8")


def sample_findings(tokenizer: Tokenizer, samples: Sequence[Sample]) -> Iterator[Finding]:
    """Which tokens carry loss, and whether training reads the prompts that inference will read."""
    yield _loss_finding(tokenizer, samples)
    yield _boundary_finding(tokenizer, samples)


def _loss_finding(tokenizer: Tokenizer, samples: Sequence[Sample]) -> Finding:
    """What the assistant says carries loss with the end of its turn, and nothing else does."""
    added = ""
    for sample in samples:
        if not sample.prompts:
            continue  # a document: all of it is learned
        runs = [sample.ids[a:b] for a, b in spans(sample.mask)]
        if len(runs) != len(sample.prompts):
            got = f"{sample.source}: {len(runs)} stretches with loss for {len(sample.prompts)} answers"
            return Finding("loss_mask", "fail", got, "one for each answer", "the template joins or drops turns")
        said = [words(m).strip() for m in sample.conversation if m["role"] == "assistant"][-len(runs) :]
        for number, run in enumerate(runs):
            if run[-1] not in tokenizer.eos_ids:
                got = f"{sample.source}: the answer ends with {shown(tokenizer, run[-1:])}, which is no stop id"
                return Finding("loss_mask", "fail", got, "an end that is learned", "see stop_ids")
            learned = tokenizer.decode(run[:-1], skip_special=False).strip()
            if said and not learned.endswith(said[number]):
                got = f"{sample.source}: loss on {learned[:60]!r}"
                wanted = f"on what the assistant says, {said[number][:60]!r}"
                return Finding("loss_mask", "fail", got, wanted, "the template changes the text of an answer")
            if said and learned != said[number]:
                added = (
                    f"{sample.source}: the template puts {learned.removesuffix(said[number])[:60]!r} before an answer"
                )
    tokens, learned_tokens = sum(len(s.ids) for s in samples), sum(sum(s.mask) for s in samples)
    if added:
        hint = "the model learns to write that too: right for Qwen3's thoughts, wrong for a prompt that already ends with it"
        return Finding("loss_mask", "warn", added, "loss on what the assistant says", hint)
    told = f"{learned_tokens} of {tokens} tokens in {len(samples)} sample(s)"
    return Finding("loss_mask", "ok", f"{told}, ends ({shown(tokenizer, tokenizer.eos_ids[:1])}) included")


def _boundary_finding(tokenizer: Tokenizer, samples: Sequence[Sample]) -> Finding:
    """The prompt's tokens come first, unchanged: no token of an answer is merged into them."""
    merged = []
    for sample in samples:
        starts = [a for a, _ in spans(sample.mask)]
        for number, (start, prompt) in enumerate(zip(starts, sample.prompts, strict=False)):
            if sample.ids[:start] != prompt:
                place = next((i for i, (a, b) in enumerate(zip(sample.ids, prompt, strict=False)) if a != b), start)
                got = (
                    f"{sample.source}, answer {number + 1}: training reads {shown(tokenizer, sample.ids[place : place + 3])}"
                    f" at token {place}, inference {shown(tokenizer, prompt[place : place + 3])}"
                )
                hint = "the template or the tokenizer renders a prompt differently once an answer follows"
                return Finding("answer_boundary", "fail", got, "the same tokens", hint)
        if _merges(tokenizer, sample):
            merged.append(sample.source)
    if merged:
        got = f"{', '.join(merged[:3])}: encoded as one text, the answer's first token joins the prompt's last"
        hint = "Sibao encodes them apart; programs that train on one text learn another boundary than they ask for"
        return Finding("answer_boundary", "warn", got, "a boundary between tokens", hint)
    answers = sum(len(s.prompts) for s in samples)
    return Finding("answer_boundary", "ok", f"{answers} prompts begin their examples token for token")


def _merges(tokenizer: Tokenizer, sample: Sample) -> bool:
    """Whether the last prompt's tokens are no longer there once prompt and answer are encoded as one text."""
    if not sample.conversation or not sample.prompts:
        return False
    last = max(i for i, m in enumerate(sample.conversation) if m["role"] == "assistant")
    text = to_text(tokenizer, sample.conversation[: last + 1], generation=False)
    whole = tokenizer.encode(text, specials=True)
    prompt = tokenizer.encode(to_text(tokenizer, sample.conversation[:last]), specials=True)
    return whole[: len(prompt)] != prompt


def spans(mask: Sequence[int]) -> list[tuple[int, int]]:
    """Begin and end of each stretch of ones."""
    edges = [i for i, (a, b) in enumerate(zip([0, *mask], [*mask, 0], strict=True)) if a != b]
    return list(zip(edges[::2], edges[1::2], strict=True))
