"""An OpenAI-compatible server (llama.cpp, vLLM, another Sibao) as a back end of the same model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from sibao.core.errors import ProviderError
from sibao.providers._openai_wire import CHAT, TEXT
from sibao.providers._pace import Policy
from sibao.providers.http import transport
from sibao.text.tokenizer import Tokenizer
from sibao.workflows._check_compare import Question, Trace, far, finding
from sibao.workflows._check_types import Backend, Difference, Finding, Found, Status, verdict

NEAR = 0.1
"""Natural-log probabilities of a server may differ by this much: it may compute in another precision."""
SECONDS = 300
T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """What the server said: its text, its count of the prompt's tokens, and each token's text with its log-probability
    and the lead over the next best one, where it tells them."""

    text: str
    prompt_tokens: int | None
    tokens: list[str]
    logprobs: list[float]
    gaps: list[float | None]


class Server:
    """A server by its URL, ``http://host:port/v1`` with ``#NAME`` where it serves several models.

    Raises:
        BadInput: no URL of that form. ProviderError: it is elsewhere, and Sibao is offline.
    """

    def __init__(self, url: str) -> None:
        self._transport = transport(url, Policy(total=SECONDS, retries=1))
        self.url, self.model = self._transport.place.base, url.partition("#")[2]

    def ask(self, asked: Question) -> Answer:
        """Its greedy answer.

        Raises:
            ProviderError: it cannot be reached, refuses, or answers in another form.
        """
        settings = {"model": self._served(), "max_tokens": asked.count, "temperature": 0}
        if isinstance(asked.prompt, str):
            found = self._transport.json("POST", TEXT, {**settings, "prompt": asked.prompt, "logprobs": 2})
        else:
            more = {"messages": asked.prompt, "logprobs": True, "top_logprobs": 2}
            found = self._transport.json("POST", CHAT, {**settings, **more})
        return self._understood(_read, found)

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Its embedding of each text. Raises what ``ask`` raises."""
        found = self._transport.json("POST", "/embeddings", {"model": self._served(), "input": list(texts)})
        return self._understood(_vectors, found)

    def _served(self) -> str:
        if not self.model:
            self.model = self._understood(
                lambda found: str(found["data"][0]["id"]), self._transport.json("GET", "/models")
            )
        return self.model

    def _understood(self, read: Callable[[dict[str, Any]], T], found: dict[str, Any]) -> T:
        try:
            return read(found)
        except (LookupError, TypeError, ValueError) as error:
            raise ProviderError(f"{self.url} answers in another form than OpenAI's: {error!r}") from None


def _read(found: dict[str, Any]) -> Answer:
    choice = found["choices"][0]
    text = choice["message"]["content"] if "message" in choice else choice["text"]
    count = (found.get("usage") or {}).get("prompt_tokens")
    told = choice.get("logprobs") or {}
    if told.get("content"):  # the form of chat
        steps = told["content"]
        tokens, logprobs = [s["token"] for s in steps], [float(s["logprob"]) for s in steps]
        gaps = [_gap([float(t["logprob"]) for t in s.get("top_logprobs") or []]) for s in steps]
    else:
        tokens, logprobs = list(told.get("tokens") or []), [float(p) for p in told.get("token_logprobs") or []]
        gaps = [_gap([float(p) for p in top.values()]) for top in told.get("top_logprobs") or []]
    return Answer(str(text or ""), count, tokens, logprobs, gaps or [None] * len(tokens))


def _gap(best: list[float]) -> float | None:
    best = sorted(best, reverse=True)
    return best[0] - best[1] if len(best) > 1 else None


def _vectors(found: dict[str, Any]) -> list[list[float]]:
    rows = sorted(found["data"], key=lambda row: int(row.get("index", 0)))
    return [[float(value) for value in row["embedding"]] for row in rows]


def with_server(server: Server, tokenizer: Tokenizer, asked: Question, base: Trace) -> list[Found]:
    """Prompt tokens (the same template and BOS?), then text and log-probabilities of the answer."""
    answer = server.ask(asked)
    found: list[Found] = []
    if answer.prompt_tokens is not None:
        found.append((_prompt_finding(len(asked.ids), answer.prompt_tokens), None))
    backend = _compare(server, tokenizer, asked, base, answer)
    status: Status = "ok"
    if (d := backend.difference) is not None:
        gaps = [gap for gap in (d.gap, d.other_gap) if gap is not None]
        status = "warn" if gaps and min(gaps) <= NEAR else "fail"
    hint = "the server runs other weights, another config or template, or searches otherwise (beams): compare them"
    told = finding("server", "fail" if far(backend) else status, backend, hint)
    if backend.max_difference is None and not answer.tokens:
        told = replace(told, got=f"{told.got} (the server tells no log-probabilities)")
    return [*found, (told, backend)]


def _prompt_finding(ours: int, theirs: int) -> Finding:
    faults = [f"{theirs} tokens for the prompt that has {ours} here"] * (ours != theirs)
    hint = "the server renders another template, or adds or leaves out BOS or EOS: give it this folder's files"
    return verdict("server_prompt", faults, f"{ours} tokens, as here", f"{ours} tokens", hint)


def _compare(server: Server, tokenizer: Tokenizer, asked: Question, base: Trace, answer: Answer) -> Backend:
    """By text, since a server tells no ids; log-probabilities while the tokens' texts are the same."""
    stopped = base.tokens[-1] in asked.ends
    ours = base.tokens[:-1] if stopped else base.tokens
    texts = [tokenizer.decode(ours[:n]) for n in range(len(ours) + 1)]
    place = None
    if answer.text.strip() != texts[-1].strip():
        # half characters at the end of a piece are not compared before they are whole
        place = next(
            (n for n in range(len(ours)) if not answer.text.strip().startswith(texts[n + 1].rstrip("\ufffd").strip())),
            len(ours),
        )
    same = min(len(ours), len(answer.logprobs)) if place is None else min(place, len(answer.logprobs))
    deltas = [
        abs(float(base.logits[n].log_softmax(-1)[ours[n]]) - answer.logprobs[n])
        for n in range(same)
        if answer.tokens[n] == tokenizer.decode([ours[n]], skip_special=False)
    ]
    told = None if place is None else _difference(tokenizer, base, ours, answer, place, texts)
    ids: list[int] = ours if place is None else ours[:place]
    limit = NEAR if deltas else None
    return Backend(f"{server.url}#{server.model}", ids, answer.text, max(deltas, default=None), limit, told)


def _difference(
    tokenizer: Tokenizer, base: Trace, ours: list[int], answer: Answer, place: int, texts: list[str]
) -> Difference:
    best = base.logits[min(place, len(base.logits) - 1)].topk(2).values
    token = ours[place] if place < len(ours) else base.tokens[-1]
    rest = answer.text[len(texts[min(place, len(ours))].rstrip("\ufffd")) :]
    other = answer.tokens[place] if place < len(answer.tokens) else rest[:20] or "(it stopped)"
    gap = answer.gaps[place] if place < len(answer.gaps) else None
    return Difference(
        place, token, tokenizer.decode([token], skip_special=False), float(best[0] - best[1]), None, other, gap
    )
