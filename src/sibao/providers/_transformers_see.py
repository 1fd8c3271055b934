"""Messages with pictures to the inputs of a vision-language network, through the processor that belongs to it.

Processors that also take films ask for torchvision, which Sibao never needs: frames are sampled here and shown as
pictures, so such a processor is made without its film half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sibao.core.errors import BadInput, MissingPackage, ModelError
from sibao.core.types import Message
from sibao.models.weights import read_json
from sibao.text.media import FRAMES, open_image, parts, sample_frames

if TYPE_CHECKING:
    from torch import Tensor

_NEEDED = ("image_processor", "tokenizer")


@dataclass(frozen=True)
class Seen:
    """One prompt as the network takes it: token ids, and the other inputs of its forward (empty without a picture)."""

    ids: list[int]
    inputs: dict[str, Tensor]


def load_processor(folder: Path) -> Any:
    """The processor of a folder, over Pillow, without the parts that read films and sound.

    Raises:
        ModelError: the folder's model has none, or its files are damaged.
        MissingPackage: Pillow, or a package that this one processor asks for.
    """
    import transformers
    from transformers import AutoImageProcessor, AutoTokenizer
    from transformers.models.auto import processing_auto

    model_type = str(read_json(folder / "config.json").get("model_type"))
    name = vars(processing_auto)["PROCESSOR_MAPPING_NAMES"].get(model_type)
    if name is None:
        raise ModelError(f"{folder}: Transformers has no processor for pictures of {model_type!r}")
    local: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
    try:
        base = getattr(transformers, name)
        own = {
            "image_processor": AutoImageProcessor.from_pretrained(folder, backend="pil", **local),
            "tokenizer": AutoTokenizer.from_pretrained(folder, **local),
        }
        settings, _ = base.get_processor_dict(folder, local_files_only=True)
        arguments = [own.get(argument) for argument in base.get_attributes()]
        return _without_films(base).from_args_and_dict(arguments, settings)
    except ImportError as error:
        package = "num2words" if "num2words" in str(error) else "pillow"
        raise MissingPackage(package, extra="vision", purpose=f"seeing with {model_type}") from None
    except Exception as error:  # whatever a damaged folder makes the library raise
        raise ModelError(f"{folder}: its processor cannot be read: {type(error).__name__}: {error}") from None


def _without_films(base: Any) -> Any:
    """The class with arguments that may be None where they concern neither pictures nor text."""

    def check(self: Any, name: str, argument: Any) -> Any:
        if argument is None and name not in _NEEDED:
            return type(None)
        return base.check_argument_for_proper_class(self, name, argument)

    return type(base.__name__, (base,), {"check_argument_for_proper_class": check})


def see(processor: Any, messages: Sequence[Message]) -> Seen:
    """Render the messages, open their pictures, and let the processor turn both into inputs.

    Raises:
        BadInput: a control string typed beside a picture; it would stand for a picture that is not there.
        DataError: a picture or film that cannot be read. ModelError: the processor or its template fails.
    """
    turns, pictures = _turns(processor, messages)
    try:
        text = _rendered(processor, turns)
        bos = getattr(processor.tokenizer, "bos_token", None)
        more: dict[str, Any] = {"images": pictures} if pictures else {}
        doubled = bool(bos) and text.startswith(str(bos))
        if not pictures:
            ids = processor.tokenizer(text, add_special_tokens=not doubled)["input_ids"]
            return Seen(list(ids), {})
        made = processor(text=[text], return_tensors="pt", add_special_tokens=not doubled, **more)
    except Exception as error:  # foreign code over a foreign template
        raise ModelError(f"the model's processor fails on this prompt: {type(error).__name__}: {error}") from None
    inputs = {k: v for k, v in made.items() if k not in ("input_ids", "attention_mask")}
    return Seen(made["input_ids"][0].tolist(), inputs)


def _turns(processor: Any, messages: Sequence[Message]) -> tuple[list[dict[str, Any]], list[Any]]:
    """Messages in the form of templates that see, and their pictures in order; a film is so many pictures."""
    turns, pictures = [], []
    for message in messages:
        shown: list[dict[str, str]] = []
        for part in parts(message["content"]):
            if part["type"] == "text":
                _refuse_controls(processor, part["text"])
                shown.append({"type": "text", "text": part["text"]})
                continue
            if part["type"] == "video":
                found = sample_frames(part["video"], part.get("frames", FRAMES))
            else:
                found = [open_image(part["image"] if part["type"] == "image" else part["image_url"]["url"])]
            pictures += found
            shown += [{"type": "image"}] * len(found)
        turns.append({"role": message["role"], "content": shown})
    return turns, pictures


def _refuse_controls(processor: Any, text: str) -> None:
    controls = {str(t.content) for t in processor.tokenizer.added_tokens_decoder.values() if t.special}
    controls |= {str(t) for t in (getattr(processor, "image_token", None),) if t}
    if found := sorted(control for control in controls if control in text):
        raise BadInput(
            f"the text holds {found[0]!r}, which this model reads as a command",
            hint="write it differently, for example with a blank in it",
        )


def _rendered(processor: Any, turns: list[dict[str, Any]]) -> str:
    """By the model's template; a model without one gets its picture marks, then the text."""
    if processor.chat_template or processor.tokenizer.chat_template:
        template = processor.chat_template or processor.tokenizer.chat_template
        return str(processor.apply_chat_template(turns, template, tokenize=False, add_generation_prompt=True))
    every = [part for turn in turns for part in turn["content"]]
    marks = str(getattr(processor, "image_token", "<image>")) * sum(part["type"] == "image" for part in every)
    return "\n".join(filter(None, [marks, *(part["text"] for part in every if part["type"] == "text")]))
