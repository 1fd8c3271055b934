"""What is wrong with a JSON body before anybody parses it: bytes that are no text, and brackets without end."""

from __future__ import annotations

import re
from itertools import accumulate

DEPTH = 64
"""Brackets within brackets of a JSON body."""
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
"""A string; one without an end goes on to the end of the body. It never reads a byte twice."""
_UP_OR_DOWN = bytes.maketrans(b"[{]}", b"\2\2\0\0")
_OTHERS = bytes(byte for byte in range(256) if byte not in b"[{]}")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_HIGH, _LOW = rb"u[dD][89abAB][0-9a-fA-F]{2}", rb"u[dD][c-fC-F][0-9a-fA-F]{2}"
_ESCAPE = re.compile(rb"\\(?:%s\\%s|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)" % (_HIGH, _LOW), re.DOTALL)
"""An escape, or two that make one character; the group holds half of such a pair that stands alone."""


def fault(body: bytes) -> str:
    """Why it is refused; empty where nothing is wrong."""
    try:
        body.decode()
    except UnicodeDecodeError as error:
        return f"the body is not UTF-8, at byte {error.start}"
    if b"\0" in body:
        return "the body holds a zero byte"
    if _SURROGATE.search(body) and any(found[1] for found in _ESCAPE.finditer(body)):
        return "the body holds half of a surrogate pair, which is no character"
    return f"the JSON is nested more than {DEPTH} deep" if _deep(body) else ""


def _deep(body: bytes) -> bool:
    """Whether brackets nest too deep, those within strings not counted."""
    if body.count(b"[") + body.count(b"{") <= DEPTH:
        return False
    brackets = _STRING.sub(b"", body).translate(_UP_OR_DOWN, _OTHERS)
    return max(accumulate(map((-1).__add__, brackets)), default=0) > DEPTH
