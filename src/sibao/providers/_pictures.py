"""Pictures of a prompt as data for a hosted model. Nothing is fetched: a picture is a file the caller named, or its bytes."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass

from sibao.core.errors import BadInput
from sibao.core.types import Message
from sibao.text.media import open_image, parts, picture_bytes, sample_frames

_BEGINNINGS = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"))


@dataclass(frozen=True)
class Picture:
    """A picture in a form that hosted models read."""

    kind: str
    data: str
    """Base64."""

    @property
    def url(self) -> str:
        """As a ``data:`` URL."""
        return f"data:{self.kind};base64,{self.data}"


def pieces(message: Message) -> Iterator[str | Picture]:
    """What a turn says, in order: words and pictures; of a film its frames.

    Raises:
        BadInput: an ``image_url`` that is no ``data:`` URL, or a URL that would have to be fetched.
        DataError: a part of unknown form, or a file that is no picture.
    """
    if not isinstance(message["content"], str):
        for part in message["content"]:
            _refuse_address(part)
    for part in parts(message["content"]):
        if part["type"] == "text":
            yield part["text"]
        elif part["type"] == "image":
            yield picture(part["image"])
        elif part["type"] == "video":
            for frame in sample_frames(part["video"], part["frames"]):
                yield _png(frame)


def _refuse_address(part: object) -> None:
    """What stands as a URL came from elsewhere, perhaps from a stranger: it must not name a file of this machine."""
    inner = part.get("image_url") if isinstance(part, dict) else None
    url = inner.get("url") if isinstance(inner, dict) else None
    if isinstance(url, str) and not url.startswith("data:"):
        raise BadInput(f"image_url is {url[:80]!r}, and nothing is fetched", hint="give a data: URL")


def picture(source: object) -> Picture:
    """A file of PNG, JPEG, GIF or WEBP as it is; of another format as PNG.

    Raises:
        DataError: no such file, or no picture. BadInput: a URL that would have to be fetched.
    """
    _, data = picture_bytes(source)
    kind = next((kind for begins, kind in _BEGINNINGS if data.startswith(begins)), "")
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        kind = "image/webp"
    if not kind:
        return _png(open_image(data))
    return Picture(kind, base64.b64encode(data).decode())


def _png(image: object) -> Picture:
    file = io.BytesIO()
    image.save(file, "PNG")  # type: ignore[attr-defined]
    return Picture("image/png", base64.b64encode(file.getvalue()).decode())
