"""A plot of matplotlib in a page: without the styles that the page's policy refuses, in the page's own colours."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from sibao.evaluation.pages import both_ways

MEASURED, MARKED, QUIET = "#1f6f8b", "#d9480f", "#868e96"
"""What was measured; what it is held against; lines in the background. ``assets/page.css`` has each for light and dark."""
_NAME = re.compile(r"\{[^}]*\}")
_LEFT_OUT = ("metadata", "style")


def figure(svg: str, name: str, en: str, zh: str) -> str:
    """An SVG of matplotlib (text as text) as a figure of a page. ``name`` is its own in the page; ``en`` and ``zh`` say what
    is drawn to readers that speak.

    Styles become attributes, which the policy allows; names inside it begin with ``name``, so that two plots of a page do not
    cut each other's lines.
    """
    root = ElementTree.fromstring(svg)
    _clean(root, name)
    inner = "".join(ElementTree.tostring(child, encoding="unicode") for child in root)
    box = f'class="plot" role="img" viewBox="{root.get("viewBox")}" stroke-linejoin="round"'
    return f"<figure>{both_ways('svg', box, en, zh)}{inner}</svg></figure>"


def _clean(element: ElementTree.Element, name: str) -> None:
    """One element and all within it, in place."""
    element.tag, element.tail = _NAME.sub("", element.tag), None
    attributes = {_NAME.sub("", key): value for key, value in element.attrib.items()}
    for style in attributes.pop("style", "").split(";"):
        key, colon, value = style.partition(":")
        if colon:
            attributes[key.strip()] = value.strip()
    attributes.pop("font-family", None)  # the page's own
    element.attrib.clear()
    element.attrib.update({key: _named(key, " ".join(value.split()), name) for key, value in attributes.items()})
    for child in list(element):
        _clean(child, name)
        if child.tag in _LEFT_OUT:
            element.remove(child)


def _named(key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    return re.sub(r"^(#|url\(#)", rf"\g<1>{name}-", value) if key in ("href", "clip-path") else value
