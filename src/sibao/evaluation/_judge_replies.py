"""What a judge's reply says: JSON where there is any, else its words; and the score weighted by the probabilities it had."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

from sibao.core.types import TokenLogprob

LEAST = 0.01
"""Alternatives to the score with a smaller probability are noise (G-Eval, Liu et al. 2023, arXiv 2303.16634)."""
_SCORE = re.compile(r'"score"\s*:\s*"?')
_SAID = re.compile(
    r'(?:score|rating|分数|得分|评分|打分)["”\s]*(?:is|of|为|是|:|：|=)?\s*\**(-?\d+(?:\.\d+)?)', re.IGNORECASE
)
_TRUE, _FALSE = ("true", "yes", "pass", "是", "通过"), ("false", "no", "fail", "否", "不通过")


def objects(text: str) -> Iterator[dict[str, Any]]:
    """Every JSON object in a text, in order; words and code fences around them are passed over."""
    decoder, at = json.JSONDecoder(), text.find("{")
    while at >= 0:
        try:
            found, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            end = at + 1
        else:
            if isinstance(found, dict):
                yield found
        at = text.find("{", end)


def read_score(text: str, low: int, high: int) -> tuple[float, bool | None, str] | None:
    """(score, passed if it says so, reason) of a reply; None where it holds no score on the scale."""
    for found in objects(text):
        score = _number(found.get("score"))
        if score is not None and low <= score <= high:
            return score, _truth(found.get("pass")), str(found.get("reason", ""))
    said = _SAID.search(text)
    score = float(said[1]) if said else None
    return (score, None, text.strip()) if score is not None and low <= score <= high else None


def read_choice(text: str, choices: Sequence[str]) -> tuple[str, str] | None:
    """(choice, reason) of a reply with a field ``better``; None where it names none of ``choices``."""
    known = {choice.lower(): choice for choice in choices}
    for found in objects(text):
        choice = known.get(str(found.get("better", "")).strip().lower())
        if choice:
            return choice, str(found.get("reason", ""))
    return None


def weighted(tokens: Sequence[TokenLogprob], low: int, high: int) -> float | None:
    """Σ s p(s) / Σ p(s) over whole numbers s on the scale among the alternatives of the score's token.

    None without alternatives, or where the score is more than one token.
    """
    text = "".join(one.token for one in tokens)
    place = _SCORE.search(text)
    if not place:
        return None
    at = 0
    for number, one in enumerate(tokens):
        at += len(one.token)
        if at > place.end():
            rest = tokens[number + 1].token if number + 1 < len(tokens) else ""
            whole = _digits(one.token) is not None and not rest[:1].isdigit()
            return _expected({one.token: one.logprob, **dict(one.top)}, low, high) if whole else None
    return None


def _expected(alternatives: dict[str, float], low: int, high: int) -> float | None:
    shares: dict[int, float] = {}
    for token, logprob in alternatives.items():
        digits, share = _digits(token), math.exp(logprob)
        if digits is not None and share >= LEAST and low <= int(digits) <= high:
            shares[int(digits)] = shares.get(int(digits), 0.0) + share
    total = sum(shares.values())
    return sum(s * p for s, p in shares.items()) / total if total else None


def _digits(token: str) -> str | None:
    """The number that a token is, with the colon, quote or space that it may begin with."""
    found = re.fullmatch(r'[\s:："]*(\d+)[\s,}"]*', token)
    return found[1] if found else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value) if math.isfinite(value) else None
    found = re.fullmatch(r"\s*(-?\d+(?:\.\d+)?)\s*(?:/\s*\d+)?\s*", value) if isinstance(value, str) else None
    return float(found[1]) if found else None


def _truth(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    return True if word in _TRUE else False if word in _FALSE else None
