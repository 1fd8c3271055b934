"""What the errors say."""

import pytest

from sibao.core.errors import BadInput, ContextOverflow, DataError, MissingPackage, SibaoError, UnknownName
from sibao.core.names import load_module, module_names


def test_unknown_name_lists_the_nearest() -> None:
    error = UnknownName("metric", "Blue", ["bleu", "chrf", "rouge"])
    assert error.message == "no metric named 'Blue'" and error.hint == "did you mean bleu?"
    assert UnknownName("metric", "zzz", ["b", "a"]).hint == "known: a, b"


def test_data_error_says_where() -> None:
    assert str(DataError("no text", file="a.jsonl", line=3, field="text")) == "a.jsonl:3 field 'text': no text"
    assert str(DataError("no text")) == "no text"


def test_exit_codes_and_json() -> None:
    assert (SibaoError.exit_code, BadInput.exit_code, DataError.exit_code) == (1, 2, 2)
    overflow = ContextOverflow(600, 512)
    assert overflow.exit_code == 1 and "need 600 tokens, the model holds 512" in overflow.message
    missing = MissingPackage("peft", extra="train", purpose="LoRA")
    assert missing.to_json() == {
        "error": {
            "type": "MissingPackage",
            "message": "LoRA needs the package peft",
            "hint": "pip install 'sibao[train]'",
        }
    }


def test_file_names_are_the_keys() -> None:
    assert "config" in module_names("sibao.core") and module_names("sibao.core") == sorted(module_names("sibao.core"))
    assert load_module("sibao.core", "config", "module").__name__ == "sibao.core.config"
    with pytest.raises(UnknownName) as error:
        load_module("sibao.core", "confg", "module")
    assert error.value.hint == "did you mean config?"
