"""``openai:NAME``: OpenAI's models. ``OPENAI_API_KEY``; ``OPENAI_BASE_URL`` where they are asked through another address."""

from __future__ import annotations

from collections.abc import Sequence

from sibao.providers import _embeddings
from sibao.providers._http import Transport
from sibao.providers._keys import Key
from sibao.providers._names import model_name
from sibao.providers._openai_wire import OpenAIWire
from sibao.providers._place import Place, from_environment, refuse_offline
from sibao.providers._remote import About, RemoteModel
from sibao.providers._wire import Takes

KEY = Key(("OPENAI_API_KEY",))
TAKES = Takes(
    frozenset({"top_p", "presence_penalty", "frequency_penalty", "logit_bias", "seed", "logprobs"}),
    frozenset({"json_object", "json_schema"}),
)  # fmt: skip


def place(name: str) -> Place:
    """Where a model is asked."""
    return from_environment("OPENAI_BASE_URL", "https://api.openai.com/v1")


def load(name: str) -> OpenAIModel:
    """The model of that name; nothing is sent yet.

    Raises:
        ProviderError: no key, or offline. BadInput: no name, or an address that is none.
    """
    where, model = place(name), model_name(name)
    refuse_offline(name, where)
    transport = Transport(name, where, KEY)
    wire = OpenAIWire(name, model, TAKES, limit="max_completion_tokens")
    return OpenAIModel(name, transport, wire, About(model, names=lambda: _embeddings.names(transport)))


class OpenAIModel(RemoteModel):
    """A model of OpenAI. Its tokens are counted in the answer only: ``count`` is an estimate."""

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector for each text, by a model that embeds. Raises as ``_embeddings.embed``."""
        return _embeddings.embed(self, texts)
