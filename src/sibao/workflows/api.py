"""The public verbs of ``import sibao``.

import sibao

model = sibao.load("mini")
print(sibao.translate("我喜欢读书。", to="en", model=model).text)
print(sibao.answer("Who improved paper?", "Cai Lun improved paper.", model=model).fields["sentence"])

``model`` is a name or what ``load`` gave; left out, it is the ``model`` of the settings (``mini``). One text gives one
``TaskResult`` (``.text``, ``.usage``, ``.fields`` ...), a list of texts gives a list, computed as a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack, overload

from sibao.core.config import settings
from sibao.core.errors import BadInput
from sibao.core.types import Message, Model
from sibao.tasks.base import TaskResult
from sibao.workflows.jobs import Options, job

if TYPE_CHECKING:
    from sibao.workflows.evaluate import EvaluationResult


def load(name: str | None = None, **options: Any) -> Model:
    """The model of that name, ready to answer.

    Args:
        name: ``mini``, a model folder, ``org/name`` from the cache, any of these with ``+ADAPTER_FOLDER``, or another
            provider (``mock:echo``). None: the model of the settings.
        options: ``precision`` (auto, fp32, bf16, fp16, int8, int4), ``adapter`` (a folder), ``threads``, ``kv_cache``
            (auto, fp32, bf16, int8), ``draft`` (a smaller model that guesses ahead), ``speculate`` (False: nothing is
            guessed), ``device`` (auto, cpu, cuda), ``deterministic`` (the same bits in any company).

    Raises:
        UnknownName, BadInput: no such model, provider or precision. ModelError: a damaged folder.

    Example:
        model = sibao.load("mini")
        print(model.generate(["Once upon a time"])[0].text)
    """
    from sibao.providers.load import load as provide

    chosen = settings()
    return provide(name or chosen.model, **{"threads": chosen.threads, **options})


@overload
def generate(prompt: str, **settings: Any) -> TaskResult:
    """One text, one result."""


@overload
def generate(prompt: Sequence[str], **settings: Any) -> list[TaskResult]:
    """A list of texts, a list of results."""


def generate(
    prompt: str | Sequence[str],
    *,
    model: str | Model | None = None,
    form: str = "",
    style: str = "",
    language: str = "",
    raw: bool = False,
    **options: Any,
) -> TaskResult | list[TaskResult]:
    """Write. Without a form the prompt is one user message, or bare text for a model without a chat template.

    Args:
        prompt: what to write about, or a list of prompts.
        form: poem, code, script, music or story; ``fields["check"]`` then says whether the text has that form.
        style: of the form: 五言, 七言, 词, the name of a tune, verse ...
        language: of the instruction, ``zh`` or ``en`` (empty: that of the prompt).
        raw: bare text even for a model with a chat template.
        options: ``max_tokens``, ``temperature`` (0 is greedy), ``top_p``, ``top_k``, ``min_p``, ``typical_p``,
            ``repetition_penalty``, ``presence_penalty``, ``frequency_penalty``, ``logit_bias``, ``min_tokens``, ``seed``,
            ``stop``, ``response_format`` (OpenAI's form: an answer that is JSON by a schema, say), ``adapter`` (the
            folder of a LoRA adapter to answer with, for this call).

    Raises:
        UnknownName: no such form, style, model or option. DataError: an empty prompt.
        ContextOverflow: the prompt does not fit.

    Example:
        sibao.generate("春天", form="poem", style="五言", temperature=0.8, seed=1).text
    """
    prompts, one = _listed(prompt)
    work = job("generate", _model(model), raw=raw, **options)
    own = {"form": form, "style": style, "language": language}
    return _result(work.run([work.task.inputs(prompt=text, **own) for text in prompts]), one)


@overload
def translate(text: str, **settings: Any) -> TaskResult:
    """One text, one result."""


@overload
def translate(text: Sequence[str], **settings: Any) -> list[TaskResult]:
    """A list of texts, a list of results."""


def translate(
    text: str | Sequence[str],
    *,
    to: str = "",
    source: str = "",
    model: str | Model | None = None,
    piece_tokens: int | None = None,
    **options: Any,
) -> TaskResult | list[TaskResult]:
    """Translate between Chinese and English, texts of any length.

    Args:
        text: a text or a list of texts.
        to: ``en`` or ``zh``; empty: the language that the text is not in.
        source: the language of the text; empty: the other one.
        piece_tokens: tokens translated at once (None: what suits the model).

    Raises:
        DataError: an empty text, a language that is neither. Others as ``generate``.

    Example:
        sibao.translate(["你好", "再见"], to="en")[1].text
    """
    texts, one = _listed(text)
    work = job("translate", _model(model), piece_tokens=piece_tokens, **options)
    return _result(work.run([work.task.inputs(text=item, to=to, source=source) for item in texts]), one)


@overload
def answer(question: str, context: str, **settings: Any) -> TaskResult:
    """One text, one result."""


@overload
def answer(question: Sequence[str], context: str | Sequence[str], **settings: Any) -> list[TaskResult]:
    """A list of texts, a list of results."""


def answer(
    question: str | Sequence[str],
    context: str | Sequence[str],
    *,
    model: str | Model | None = None,
    **options: Any,
) -> TaskResult | list[TaskResult]:
    """Answer questions from a passage of any length. ``fields`` hold where the answer stands and its sentence.

    Args:
        question: a question or a list of them.
        context: the passage; one for all questions, or a list with one for each.

    Raises:
        BadInput: as many passages as questions are needed. Others as ``generate``.

    Example:
        sibao.answer("谁改进了造纸术？", "造纸术在汉代发明。蔡伦改进了它。").text
    """
    questions, one = _listed(question)
    passages = [context] * len(questions) if isinstance(context, str) else list(context)
    if len(passages) != len(questions):
        raise BadInput(
            f"got {len(questions)} questions and {len(passages)} passages", hint="give one passage, or one for each"
        )
    work = job("answer", _model(model), **options)
    many = [work.task.inputs(question=q, context=c) for q, c in zip(questions, passages, strict=True)]
    return _result(work.run(many), one)


@overload
def summarize(text: str, **settings: Any) -> TaskResult:
    """One text, one result."""


@overload
def summarize(text: Sequence[str], **settings: Any) -> list[TaskResult]:
    """A list of texts, a list of results."""


def summarize(
    text: str | Sequence[str], *, model: str | Model | None = None, **options: Any
) -> TaskResult | list[TaskResult]:
    """Summarize texts of any length, in their own language. A long one is split, and its summaries are merged.

    Raises:
        As ``generate``.

    Example:
        sibao.summarize(Path("report.txt").read_text()).text
    """
    texts, one = _listed(text)
    work = job("summarize", _model(model), **options)
    return _result(work.run([work.task.inputs(text=item) for item in texts]), one)


def describe(
    images: str | bytes | Path | Sequence[str | bytes | Path] = (),
    *,
    video: str = "",
    question: str = "",
    to: str = "",
    model: str | Model | None = None,
    **options: Any,
) -> TaskResult:
    """Describe pictures (all of them together) or a film, or answer a question about them; needs a model that sees.

    Args:
        images: paths, ``data:`` URLs or the bytes of files; one or several.
        video: path of a film; ``frames`` among the options says how many pictures of it are looked at (8).
        to: language of the answer, ``zh`` or ``en``; empty: that of the question, else English.

    Raises:
        DataError: nothing to see, or no picture. BadInput: a model that only reads. Others as ``generate``.

    Example:
        sibao.describe("panda.png", question="图里是什么动物？", model="transformers:FOLDER").text
    """
    frames = {"frames": options.pop("frames")} if "frames" in options else {}
    work = job("describe", _model(model), **options)
    return work.run([work.task.inputs(images=images, video=video, question=question, to=to, **frames)])[0]


def chat(
    messages: str | Sequence[Message],
    *,
    model: str | Model | None = None,
    system: str = "",
    **options: Unpack[Options],
) -> TaskResult:
    """The model's next turn in a conversation.

    Args:
        messages: the turns so far, the last one the user's; or just what the user says.
        system: an instruction put before them.

    Raises:
        DataError: a turn that is none, or no user turn at the end. Others as ``generate``.

    Example:
        sibao.chat([{"role": "user", "content": "Who are you?"}]).text
    """
    work = job("generate", _model(model), **options)
    return work.run([conversation(messages, system)])[0]


def conversation(messages: str | Sequence[Message], system: str = "") -> Any:
    """Turns as inputs of the task ``generate``.

    Raises:
        DataError: a turn that is none, or no user turn at the end.
    """
    from sibao.tasks.generate import TASK

    turns: list[Message] = [{"role": "user", "content": messages}] if isinstance(messages, str) else list(messages)
    if system:
        turns.insert(0, {"role": "system", "content": system})
    return TASK.read({"messages": turns})[0]


def evaluate(
    model: str | None = None, *, task: str, data: str | Path | Sequence[str | Path], **options: Any
) -> EvaluationResult:
    """Score a model on data files: every metric of the task with its interval.

    Args:
        model: the model's name (None: that of the settings).
        task: translate, answer, summarize or generate.
        data: data files with targets.
        options: ``to``, ``limit``, ``max_tokens``, ``batch``, ``compare`` (another model's name), ``quiet``.

    Raises:
        UnknownName: no such task or model. DataError: a row that cannot be read.

    Example:
        print(sibao.evaluate("mini", task="answer", data="cmrc.json", limit=100).to_json())
    """
    from sibao.workflows.evaluate import evaluate as run

    files = [data] if isinstance(data, str | Path) else list(data)
    return run(model or settings().model, task=task, data=[str(file) for file in files], **options)


def _listed(texts: str | Sequence[str]) -> tuple[list[str], bool]:
    """Texts as a list, and whether it was only one."""
    return ([texts], True) if isinstance(texts, str) else (list(texts), False)


def _result(results: list[TaskResult], one: bool) -> TaskResult | list[TaskResult]:
    return results[0] if one else results


def _model(model: str | Model | None) -> Model:
    """A loaded model stays as it is. The last one that was named is kept, until its folder changes."""
    if model is None or isinstance(model, str):
        name = model or settings().model
        folder = Path(name)
        return _named(name, folder.stat().st_mtime_ns if folder.is_dir() else 0)
    return model


@lru_cache(maxsize=1)
def _named(name: str, changed: int) -> Model:
    return load(name)
