"""Tiny vision-language models in real folders: random weights, processors made of pieces, nothing downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tests.tiny import tiny_tokenizer

PICTURES = Path(__file__).parent / "data" / "images"
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}MARK{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TEXT = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
    "intermediate_size": 64, "max_position_embeddings": 1024, "initializer_range": 0.3, "eos_token_id": 2,
    "pad_token_id": 0, "bos_token_id": None,
}  # fmt: skip
SIGHT = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64, "patch_size": 14,
    "initializer_range": 0.3,
}  # fmt: skip
FAMILIES = ("llava", "idefics3", "qwen2_5_vl", "gemma3")


def tokenizer(**named: str) -> Any:
    """The tiny tokenizer as Transformers', with control tokens for pictures."""
    from transformers import PreTrainedTokenizerFast

    ends = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    return PreTrainedTokenizerFast(
        tokenizer_object=type(tiny_tokenizer().backend).from_str(tiny_tokenizer().backend.to_str()),
        extra_special_tokens=named, **ends,
    )  # fmt: skip


def vision_folder(path: Path, family: str) -> Path:
    """Write network, tokenizer and processor of a family; returns ``path``."""
    torch.manual_seed(0)
    network, words, eyes, settings, mark = {
        "llava": _llava, "idefics3": _idefics3, "qwen2_5_vl": _qwen, "gemma3": _gemma,
    }[family]()  # fmt: skip
    network.eval().save_pretrained(path)
    words.chat_template = TEMPLATE.replace("MARK", mark)
    words.save_pretrained(path)
    eyes.save_pretrained(path)
    if settings:
        import json

        (path / "processor_config.json").write_text(json.dumps(settings))
    return path


def _llava() -> tuple[Any, ...]:
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration
    from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil

    words = tokenizer(image_token="<image>")
    shape = LlavaConfig(
        vision_config=CLIPVisionConfig(**SIGHT, image_size=56, projection_dim=32),
        text_config=LlamaConfig(**TEXT, vocab_size=len(words)), image_token_index=words.image_token_id,
        vision_feature_layer=-1,
    )  # fmt: skip
    eyes = LlavaImageProcessorPil(size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56})
    settings = {
        "processor_class": "LlavaProcessor", "patch_size": 14, "num_additional_image_tokens": 1,
        "vision_feature_select_strategy": "default",
    }  # fmt: skip
    return LlavaForConditionalGeneration(shape), words, eyes, settings, "<image>"


def _idefics3() -> tuple[Any, ...]:
    from transformers import Idefics3Config, Idefics3ForConditionalGeneration
    from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

    words = tokenizer(
        image_token="<image>", fake_image_token="<fake_token_around_image>", global_image_token="<global-img>",
        end_of_utterance_token="<end_of_utterance>",
    )  # fmt: skip
    shape = Idefics3Config(
        vision_config={**SIGHT, "image_size": 56}, text_config={"model_type": "llama", **TEXT, "vocab_size": len(words)},
        image_token_id=words.image_token_id, scale_factor=2,
    )  # fmt: skip
    eyes = Idefics3ImageProcessorPil(
        size={"longest_edge": 56}, max_image_size={"longest_edge": 56}, do_image_splitting=False
    )
    settings = {"processor_class": "Idefics3Processor", "image_seq_len": 4}
    return Idefics3ForConditionalGeneration(shape), words, eyes, settings, "<image>"


def _qwen() -> tuple[Any, ...]:
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    words = tokenizer(
        image_token="<|image_pad|>", video_token="<|video_pad|>", vision_start="<|vision_start|>",
        vision_end="<|vision_end|>",
    )  # fmt: skip
    ids = {f"{kind}_token_id": words.convert_tokens_to_ids(f"<|{kind}_pad|>") for kind in ("image", "video")}
    ids |= {f"vision_{end}_token_id": words.convert_tokens_to_ids(f"<|vision_{end}|>") for end in ("start", "end")}
    text = {k: v for k, v in TEXT.items() if k != "head_dim"}
    shape = Qwen2_5_VLConfig(
        text_config={**text, "vocab_size": len(words), "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2],
                     "rope_theta": 10000.0}},
        vision_config={"hidden_size": 32, "depth": 2, "num_heads": 4, "intermediate_size": 64, "patch_size": 14,
                       "out_hidden_size": 32, "window_size": 56, "fullatt_block_indexes": [1], "initializer_range": 0.3},
        **ids,
    )  # fmt: skip
    eyes = Qwen2VLImageProcessorPil(min_pixels=56 * 56, max_pixels=84 * 84)
    mark = "<|vision_start|><|image_pad|><|vision_end|>"
    return Qwen2_5_VLForConditionalGeneration(shape), words, eyes, {"processor_class": "Qwen2_5_VLProcessor"}, mark


def _gemma() -> tuple[Any, ...]:
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration
    from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

    words = tokenizer(image_token="<image_soft_token>", boi_token="<start_of_image>", eoi_token="<end_of_image>")
    shape = Gemma3Config(
        text_config={**TEXT, "vocab_size": len(words), "sliding_window": 64},
        vision_config={**SIGHT, "image_size": 56, "vision_use_head": False}, mm_tokens_per_image=4,
        image_token_index=words.image_token_id, boi_token_index=words.boi_token_id, eoi_token_index=words.eoi_token_id,
    )  # fmt: skip
    eyes = Gemma3ImageProcessorPil(size={"height": 56, "width": 56})
    settings = {"processor_class": "Gemma3Processor", "image_seq_length": 4}
    network = Gemma3ForConditionalGeneration(shape)
    torch.nn.init.normal_(network.model.multi_modal_projector.mm_input_projection_weight)  # zeros by default: blind
    return network, words, eyes, settings, "<start_of_image>"
