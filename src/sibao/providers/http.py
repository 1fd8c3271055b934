"""``http://host:port/v1#NAME``, also ``https``: any server with OpenAI's interface (llama.cpp, vLLM, Ollama, Sibao ...).

``OPENAI_COMPATIBLE_API_KEY``, or a password of the keyring for that URL, signs requests where the server wants a key.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from sibao.core.errors import BadInput, ProviderError
from sibao.core.types import Prompt, Scored, Usage
from sibao.providers import _embeddings
from sibao.providers._echo import credible, request, scored, tokens
from sibao.providers._http import Transport
from sibao.providers._keys import Key
from sibao.providers._names import model_name
from sibao.providers._openai_wire import TEXT, OpenAIWire
from sibao.providers._pace import Policy
from sibao.providers._place import Place, place_of, refuse_offline
from sibao.providers._remote import AT_ONCE, UNLIMITED, About, RemoteModel
from sibao.providers._side_by_side import side_by_side
from sibao.providers._wire import Takes

TAKES = Takes(
    frozenset({
        "top_k", "top_p", "min_p", "typical_p", "repetition_penalty", "presence_penalty", "frequency_penalty", "logit_bias",
        "min_tokens", "seed", "logprobs",
    }),
    forms=None, stops=None,
)  # fmt: skip
"""All that the engine's own requests know: a server ignores or refuses what it does not."""
_CONTEXT = ("max_model_len", "context_length", "context_window", "max_context_length", "inputTokenLimit", "context")
T = TypeVar("T")
_NO_ECHO = frozenset({400, 404, 405, 422, 501})


def place(name: str) -> Place:
    """Where a model is asked.

    Raises:
        BadInput: no URL.
    """
    return place_of(name.partition("#")[0], "the model")


def load(name: str) -> CompatibleModel:
    """The model of that name; the server is asked which ones it has, and how many tokens they hold.

    Raises:
        ProviderError: offline, or the server cannot be reached or refuses. BadInput: no URL, or no name behind the #.
    """
    return CompatibleModel(name, transport(name))


def transport(name: str, policy: Policy | None = None) -> Transport:
    """What reaches the server of that name.

    Raises:
        ProviderError: it is elsewhere, and Sibao is offline. BadInput: no URL.
    """
    where = place(name)
    refuse_offline(name, where)
    key = Key(("OPENAI_COMPATIBLE_API_KEY",), needed=False, place=where.base)
    return Transport(name, where, key, policy)


class CompatibleModel(RemoteModel):
    """A model of a compatible server. Text that is no conversation goes to ``/completions`` as it stands; ``count`` is an
    estimate. ``score`` and ``score_text`` need a server that echoes prompts with their log-probabilities, the right ones."""

    def __init__(self, name: str, transport: Transport) -> None:
        rows = _embeddings.listed(transport)
        if not name.partition("#")[2] and len(rows) == 1:
            name = f"{name.rstrip('#')}#{rows[0].get('id')}"  # the only one is the one that is meant
        elif not name.partition("#")[2]:
            found = ", ".join(str(row.get("id")) for row in rows) or "no list of models"
            raise BadInput(f"{name} has {found}", hint="name one behind the URL: http://host:port/v1#NAME")
        model = model_name(name, "#")
        wire = OpenAIWire(name, model, TAKES, raw=True)
        about = About(model, _context(rows, model), names=lambda: _embeddings.names(transport))
        super().__init__(name, transport, wire, about)
        self._credible = False

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector for each text, where the server has ``/embeddings``. Raises as ``_embeddings.embed``."""
        return _embeddings.embed(self, texts)

    def score(self, pairs: Sequence[tuple[Prompt, str]]) -> list[Scored]:
        """Log-likelihood of each continuation after its context. White space at the end of a context moves to it.

        Raises:
            BadInput: messages or nothing as context, or a server that does not echo prompts with their likelihoods.
        """
        asked = [_whole(context, continuation) for context, continuation in pairs]
        return self._all(asked)

    def score_text(self, texts: Sequence[str]) -> list[Scored]:
        """Log-likelihood of whole texts. The first token counts where the server reads something before it (BOS); ``tokens``
        says how many did. A text that the model cannot hold is refused.

        Raises:
            BadInput: as ``score``.
        """
        return self._all([(text, None) for text in texts])

    def _all(self, asked: Sequence[tuple[str, int | None]]) -> list[Scored]:
        if asked and not self._credible:
            self._check()
        done = side_by_side(lambda one: self._scored(*one), asked, AT_ONCE)
        for one in done:
            if isinstance(one, Exception):
                raise one
        return [one for one in done if isinstance(one, Scored)]

    def _check(self) -> None:
        if not self._echoed(lambda: credible(self.about.model, self._sent)):
            raise self._no_echo("those that it echoes are not those of its own answers")
        self._credible = True

    def _sent(self, body: dict[str, Any]) -> dict[str, Any]:
        lost = partial(self.lost, str(body["prompt"]), int(body["max_tokens"]))
        found = self.asked(lambda: self.transport.json("POST", TEXT, body, lost))
        self.pay(Usage(self.count(str(body["prompt"]))))
        return found

    def _scored(self, text: str, begin: int | None) -> Scored:
        told = self._echoed(lambda: tokens(self._sent(request(self.about.model, text)), text))
        if not told or told[-1].end < len(text):
            raise self._no_echo("its answer does not repeat the prompt")
        return scored(told, begin, text)

    def _echoed(self, read: Callable[[], T]) -> T:
        try:
            return read()
        except ProviderError as error:
            if error.status not in _NO_ECHO:
                raise
            raise self._no_echo(error.message) from None
        except (KeyError, IndexError, TypeError, ValueError, AttributeError):
            raise self._no_echo("its answer has none") from None

    def _no_echo(self, why: str) -> BadInput:
        return BadInput(
            f"{self.name} gives no likelihoods of texts: {why}",
            hint="it needs echo and logprobs at /completions (vLLM, sibao serve); or score a local model",
        )


def _whole(context: Prompt, continuation: str) -> tuple[str, int]:
    if not isinstance(context, str):
        raise BadInput(
            "a server does not tell how it renders messages", hint="score text after text (--chat-template off)"
        )
    if not continuation:
        raise BadInput("the continuation is empty", hint="give some text to score")
    return context + continuation, len(context.rstrip())


def _context(rows: list[dict[str, Any]], model: str) -> int:
    """What the list of models says that one holds; vLLM, OpenRouter, Groq, LM Studio and Sibao name it each their way."""
    row = next((row for row in rows if row.get("id") == model), {})
    meta = row.get("meta") if isinstance(row.get("meta"), dict) else {}
    values = [*(row.get(key) for key in _CONTEXT), (meta or {}).get("n_ctx_train")]
    return next((v for v in values if isinstance(v, int) and v > 0), UNLIMITED)
