"""``ai21:NAME``: AI21's Jamba models. ``AI21_API_KEY``; ``AI21_BASE_URL`` where they are asked through another address.

https://docs.ai21.com/reference/jamba-1-6-api-ref (what the interface takes: no seed, no log-probabilities, no pictures)
"""

from __future__ import annotations

from sibao.providers._http import Transport
from sibao.providers._keys import Key
from sibao.providers._names import model_name
from sibao.providers._openai_wire import OpenAIWire
from sibao.providers._place import Place, from_environment, refuse_offline
from sibao.providers._remote import About, RemoteModel
from sibao.providers._wire import Takes

KEY = Key(("AI21_API_KEY",))
TAKES = Takes(frozenset({"top_p"}), frozenset({"json_object"}), stops=None, pictures=False)


def place(name: str) -> Place:
    """Where a model is asked."""
    return from_environment("AI21_BASE_URL", "https://api.ai21.com/studio/v1")


def load(name: str) -> RemoteModel:
    """The model of that name; nothing is sent yet. ``count`` is an estimate.

    Raises:
        ProviderError: no key, or offline. BadInput: no name, or an address that is none.
    """
    where, model = place(name), model_name(name)
    refuse_offline(name, where)
    wire = OpenAIWire(name, model, TAKES, counts_streams=False)
    return RemoteModel(name, Transport(name, where, KEY), wire, About(model))
