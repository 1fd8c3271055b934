"""OpenAI's older endpoint: text goes in and is gone on with. The one that likelihoods are measured through."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from sibao.core.types import Completion, Delta, GenerateOptions, Usage
from sibao.server._limit import roomy
from sibao.server._openai_ask import FINGERPRINT, complete, new_id, now, streams, used, ways
from sibao.server._openai_completions_form import CompletionForm, CompletionOut, TextChoice
from sibao.server._openai_echo import Table, text_of
from sibao.server._openai_form import ERRORS, UsageOut, finish_of
from sibao.server._sse import DONE, Pieces, data, described, events, quoted
from sibao.server.desk import Asked
from sibao.server.service import TheService, Turn, Work

router = APIRouter(prefix="/v1", tags=["openai"])
STREAM = described("JSON, or events.")


@router.post("/completions", summary="Go on with a text", response_model=CompletionOut, responses=ERRORS | STREAM)
async def completions(form: CompletionForm, request: Request, service: TheService) -> CompletionOut | Response:
    """As OpenAI's: the prompt as it stands, without a chat template."""
    tokens, many = form.tokens, range(form.n or 1)
    wanted = [form.options(tokens, way) for way in ways(form, form.logprobs)]
    async with await service.turn(request, form.model) as turn:
        prompts = form.prompts
        ready = await turn.in_thread(_ready, turn.guest.model, prompts, wanted)
        shown = await turn.in_thread(_shown, turn.guest.model, prompts) if form.echo else [""] * len(prompts)
        shown = [text for text in shown for _ in many]
        if form.stream:
            return events(turn, _chunks(turn, form, await streams(turn, ready), shown))
        if form.echo and (form.logprobs is not None or not tokens):
            return await _echoed(turn, form, ready, shown)
        found = await complete(turn, ready)
        choices = [
            _choice(form, number, one, text) for number, (one, text) in enumerate(zip(found, shown, strict=True))
        ]
        return _out(turn.model, choices, found, len(many))


def _ready(
    model: Any, prompts: Sequence[Asked], wanted: Sequence[GenerateOptions]
) -> list[tuple[Asked, GenerateOptions]]:
    """Each prompt is read once, for all its answers."""
    found = list[tuple[Asked, GenerateOptions]]()
    for prompt in prompts:
        ready, first = roomy(model, prompt, wanted[0])
        found += [(ready, replace(options, max_tokens=first.max_tokens)) for options in wanted]
    return found


def _shown(model: Any, prompts: Sequence[Asked]) -> list[str]:
    return [text_of(model, prompt) for prompt in prompts]


async def _echoed(turn: Turn, form: CompletionForm, ready: Work, shown: Sequence[str]) -> CompletionOut:
    """With the prompts' log-probabilities. A prompt of one token that nothing is to follow has none to compute."""
    model = turn.guest.model
    bare = [n for n, (ids, options) in enumerate(ready) if len(ids) == 1 and not options.max_tokens]
    answers = iter(await turn.echo([one for number, one in enumerate(ready) if number not in bare]))
    found, choices = [], []
    for number, text in enumerate(shown):
        table = None if form.logprobs is None else Table(form.logprobs)
        if number in bare:
            completion = Completion("", "length", Usage(1))
            if table is not None:
                table.lone(model, ready[number][0])
        else:
            answer = next(answers)
            completion = answer.completion()
            if table is not None:
                table.prompt(answer, text)
                table.answer(completion.logprobs)
        found.append(completion)
        rows = None if table is None else table.rows
        reason = finish_of(completion.finish_reason)
        choices.append(TextChoice(index=number, text=text + completion.text, logprobs=rows, finish_reason=reason))
    return _out(turn.model, choices, found, form.n or 1)


def _choice(form: CompletionForm, number: int, completion: Completion, shown: str) -> TextChoice:
    table = None
    if form.logprobs is not None:
        table = Table(form.logprobs, len(shown))
        table.answer(completion.logprobs)
    return TextChoice(
        index=number, text=shown + completion.text, logprobs=None if table is None else table.rows,
        finish_reason=finish_of(completion.finish_reason),
    )  # fmt: skip


def _out(model: str, choices: list[TextChoice], found: Sequence[Completion], answers: int) -> CompletionOut:
    return CompletionOut(
        id=new_id("cmpl-"), created=now(), model=model, choices=choices, usage=UsageOut.of(used(found, answers)),
        system_fingerprint=FINGERPRINT,
    )  # fmt: skip


async def _chunks(
    turn: Turn, form: CompletionForm, told: AsyncGenerator[tuple[int, Delta]], shown: Sequence[str]
) -> Pieces:
    usage = form.stream_options is not None and form.stream_options.include_usage
    common = {"id": new_id("cmpl-"), "object": "text_completion", "created": now(), "model": turn.model,
              "system_fingerprint": FINGERPRINT}  # fmt: skip
    head, tail = data(common)[: -len(b"}\n\n")] + b',"choices":[', b',"usage":null}\n\n' if usage else b"}\n\n"
    heads = [head + b'{"index":%d,"text":' % number for number in range(len(shown))]
    scorers = [None if form.logprobs is None else _Scorer(form.logprobs) for _ in shown]
    done: dict[int, Completion] = {}
    for number, text in enumerate(shown):
        if text:
            yield heads[number] + quoted(text) + b',"logprobs":null,"finish_reason":null}]' + tail
    async for number, delta in told:
        scorer, reason = scorers[number], b"null"
        if delta.completion is not None:
            done[number] = delta.completion
            reason = b'"%s"' % finish_of(delta.completion.finish_reason).encode()
        scores = b"null" if scorer is None else scorer.of(delta)
        yield (
            heads[number] + quoted(delta.text) + b',"logprobs":' + scores + b',"finish_reason":' + reason + b"}]" + tail
        )
    if usage:
        counted = UsageOut.of(used([done[number] for number in sorted(done)], form.n or 1)).model_dump_json().encode()
        yield head + b'],"usage":' + counted + b"}\n\n"
    yield DONE


class _Scorer:
    """Log-probabilities of one streamed answer, each token's once."""

    def __init__(self, wanted: int) -> None:
        self._wanted, self._told, self._place = wanted, 0, 0

    def of(self, delta: Delta) -> bytes:
        """What is new."""
        tokens = delta.logprobs if delta.completion is None else delta.completion.logprobs[self._told :]
        table = Table(self._wanted, self._place)
        table.answer(tokens)
        self._told, self._place = self._told + len(tokens), table.place
        return table.rows.model_dump_json().encode()
