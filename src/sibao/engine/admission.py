"""What an engine takes: requests and sequences that its model and its cache can serve, all else refused before it is queued."""

from __future__ import annotations

from collections.abc import Sequence

from sibao.core.errors import BadInput, ContextOverflow
from sibao.engine.adapters import Adapter, named
from sibao.engine.penalties import check_bias
from sibao.engine.request import Request, check_ids
from sibao.engine.runner import BLOCK, Config, Runner, blocks_for, vocabulary
from sibao.nn.seq2seq_config import Seq2SeqConfig


def check_request(request: Request, runner: Runner) -> Adapter | None:
    """Refuse a request that can never run.

    Returns:
        its adapter as it is now, if it names one.

    Raises:
        BadInput: a token id out of range (of the prompt or of ``logit_bias``), a source where there is no encoder or none
            where there is, or more tokens than the cache holds.
        ModelError: an adapter that cannot be read, or is another model's.
        ContextOverflow: prompt and new tokens together exceed the model's positions, or its source does.
    """
    name, config, what = f"request {request.id!r}", runner.config, "prompt and new tokens"
    check_ids(request.prompt_ids, vocabulary(config), f"prompt of {name}")
    check_bias(request.sampling, vocabulary(config))
    needed = len(request.reading) + request.max_tokens
    if isinstance(config, Seq2SeqConfig):
        _check_source(request, config)
        needed -= request.max_tokens > 0  # the last token is not read
        what = "the new tokens"
    elif request.source_ids is not None:
        raise BadInput(f"{name} has a source, and the model no encoder", hint="put all of the text into the prompt")
    if needed > config.max_position_embeddings:
        raise ContextOverflow(needed, config.max_position_embeddings, what=what)
    if request.texts * blocks_for(needed) + blocks_for(len(request.source_ids or ())) > runner.blocks:
        held = runner.blocks * BLOCK
        texts = f" in each of {request.texts} texts" if request.texts > 1 else ""
        raise BadInput(f"{name} needs {needed} positions{texts}, the cache has {held}", hint="ask for less")
    if request.adapter is None:
        return None
    if runner.adapters is None:
        raise BadInput(
            f"{name} names the adapter {request.adapter!r}, this engine has the model alone",
            hint="load the model with its adapter: NAME+ADAPTER_FOLDER",
        )
    adapter = named(request.adapter)
    runner.adapters.get(adapter)
    return adapter


def _check_source(request: Request, config: Seq2SeqConfig) -> None:
    name, ids = f"request {request.id!r}", request.source_ids
    if ids is None:
        raise BadInput(f"{name} has no source, and the model is an encoder-decoder", hint="give source_ids")
    check_ids(ids, config.vocab_size, f"source of {name}")
    if len(ids) > config.max_position_embeddings:
        raise ContextOverflow(len(ids), config.max_position_embeddings, what="the source")


def check_sequences(sequences: Sequence[tuple[list[int], int]], config: Config) -> None:
    """Refuse what cannot be scored.

    Args:
        sequences: (ids, start): ``ids[start:]`` is to be scored.

    Raises:
        BadInput: a start out of range or an id that the model does not know.
        ContextOverflow: more tokens than the model holds.
    """
    for number, (ids, start) in enumerate(sequences):
        if not 1 <= start < len(ids):
            raise BadInput(
                f"sequence {number}: start is {start} in {len(ids)} tokens, wanted 1 to {len(ids) - 1}",
                hint="put at least one token (for example BOS) before the tokens to score",
            )
        check_ids(ids, vocabulary(config), f"sequence {number}")
        # the last token is only predicted, never read
        if len(ids) - 1 > config.max_position_embeddings:
            raise ContextOverflow(len(ids) - 1, config.max_position_embeddings, what=f"sequence {number}")
