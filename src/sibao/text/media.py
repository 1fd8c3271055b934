"""Pictures and films that stand in a prompt: read with Pillow and PyAV, bounded in size, never fetched from the network.

A picture is a path, the bytes of a file, a ``data:`` URL, or the object ``{"bytes", "path"}`` of a data set. It comes out
upright (EXIF orientation, TIFF 6.0 tag 274), in RGB, transparency on white. Of a film some frames are taken, evenly.
"""

from __future__ import annotations

import base64
import binascii
import io
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sibao.core.errors import BadInput, DataError, MissingPackage
from sibao.core.types import Content, ImagePart, Message, Part, Row, TextPart, VideoPart
from sibao.text.rows import SEEN

if TYPE_CHECKING:
    from PIL.Image import Image

IMAGE_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
"""Of a moving GIF or WEBP and of a TIFF with pages the first picture is taken."""
MAX_BYTES = 64 * 2**20
MAX_PIXELS = 64_000_000
"""Pixels of one picture: 192 MB once it is unpacked. Larger ones are refused before they are."""
FRAMES = 8
"""Frames of a film when nobody says how many."""
MAX_FRAMES = 256


def parts(content: Content) -> list[Part]:
    """What a turn says, part by part; OpenAI's ``image_url`` becomes ``image``, and words alone are one part.

    Raises:
        DataError: a part of unknown form.
    """
    if isinstance(content, str):
        return [TextPart(type="text", text=content)]
    if not isinstance(content, list | tuple) or not content:
        raise DataError(f"got {type(content).__name__}, wanted text or a list of parts", field="content")
    return [_part(part) for part in content]


def _part(part: Any) -> Part:
    kind = part.get("type") if isinstance(part, Mapping) else None
    if kind == "text" and isinstance(part.get("text"), str):
        return TextPart(type="text", text=part["text"])
    if kind == "image" and part.get("image") is not None:
        return ImagePart(type="image", image=part["image"])
    if (
        kind == "image_url"
        and isinstance(part.get("image_url"), Mapping)
        and isinstance(part["image_url"].get("url"), str)
    ):
        return ImagePart(type="image", image=part["image_url"]["url"])
    if kind == "video" and isinstance(part.get("video"), str | Path):
        frames = part.get("frames", FRAMES)
        return VideoPart(type="video", video=str(part["video"]), frames=frames)
    raise DataError(
        f"got {str(part)[:80]!r}, wanted a part of a message",
        field="content",
        hint='parts: {"type": "text", "text"}, {"type": "image", "image": PATH}, {"type": "image_url", "image_url": '
        '{"url": "data:..."}}, {"type": "video", "video": PATH, "frames": N}',
    )


def sees(message: Message) -> bool:
    """Whether a turn holds a picture or a film."""
    return not isinstance(message["content"], str) and any(p["type"] != "text" for p in parts(message["content"]))


def open_image(source: object) -> Image:
    """The picture, upright, in RGB.

    Args:
        source: a path, the bytes of a file, a ``data:`` URL, or ``{"bytes": ..., "path": ...}``.

    Raises:
        DataError: no such file, no picture, a format that is not read, too large, or damaged.
        BadInput: a URL that would have to be fetched. MissingPackage: Pillow is not installed.
    """
    name, data = picture_bytes(source)
    try:
        from PIL import Image as Pillow
        from PIL import ImageOps, UnidentifiedImageError
    except ImportError:
        raise MissingPackage("pillow", extra="hf", purpose="a picture") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Pillow.DecompressionBombWarning)
            with Pillow.open(io.BytesIO(data), formats=IMAGE_FORMATS) as picture:
                _check_size(name, *picture.size)
                return _opaque(ImageOps.exif_transpose(picture))
    except UnidentifiedImageError:
        known = ", ".join(IMAGE_FORMATS)
        raise DataError("is no picture of a format that is read", file=name, hint=f"formats: {known}") from None
    except (Pillow.DecompressionBombError, Pillow.DecompressionBombWarning):
        raise DataError(f"unpacks to more than {MAX_PIXELS} pixels", file=name, hint="make it smaller") from None
    except (OSError, ValueError, SyntaxError, EOFError) as error:  # what the decoders raise for damaged files
        raise DataError(f"is a damaged picture: {error}", file=name) from None


def picture_bytes(source: object) -> tuple[str, bytes]:
    """A name for messages and the content of the file, as it lies there.

    Raises:
        DataError: no such file, or too large. BadInput: a URL that would have to be fetched.
    """
    if isinstance(source, Mapping):
        source = source.get("bytes") or source.get("path")
    if isinstance(source, bytes | bytearray):
        return _bounded("the picture", bytes(source))
    if not isinstance(source, str | Path):
        raise DataError(f"got {type(source).__name__}, wanted a path or the bytes of a picture", field="image")
    text = str(source)
    if text.startswith("data:"):
        return _bounded("the data: URL", _data_url(text))
    if text.startswith(("http://", "https://")):
        raise BadInput(f"{text[:80]!r} is on the network, pictures are not fetched", hint="save it and name the file")
    path = checked_file(text, "a picture")
    if path.stat().st_size > MAX_BYTES:
        raise DataError(f"has {path.stat().st_size} bytes, at most {MAX_BYTES} are read", file=text)
    return text, path.read_bytes()


def _bounded(name: str, data: bytes) -> tuple[str, bytes]:
    if not data or len(data) > MAX_BYTES:
        raise DataError(f"has {len(data)} bytes, wanted 1 to {MAX_BYTES}", file=name)
    return name, data


def _data_url(text: str) -> bytes:
    head, comma, body = text.partition(",")
    if not comma or not head.endswith(";base64"):
        raise DataError("is not base64", file="the data: URL", hint="wanted data:image/png;base64,...")
    if len(body) > MAX_BYTES * 4 // 3 + 4:
        raise DataError(f"holds more than {MAX_BYTES} bytes", file="the data: URL")
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error as error:
        raise DataError(f"is not base64: {error}", file="the data: URL") from None


def refuse_files(row: Row) -> None:
    """Of a row that a stranger sent: pictures and films may stand in it, but name no file of this machine.

    Raises:
        DataError: one is anything but a ``data:`` URL.
    """
    for name, value in _shown(row):
        if isinstance(value, str) and not value.startswith("data:"):
            raise DataError(
                f"got {value[:80]!r}, wanted a data: URL: files of the server are not read", field=name,
                hint="data:image/png;base64,...",
            )  # fmt: skip


def _shown(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """What a row shows, however deep (parts of messages do), by the field that it stands in."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from _shown(one, key if key in (*SEEN, "image_url") else name)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _shown(one, name)
    elif name:
        yield name, value


def beside(row: Row, file: str | Path) -> Row:
    """A row whose pictures are named relative to its data file; names that lead nowhere there stay as they are."""
    folder = Path(file).parent

    def found(value: Any) -> Any:
        if isinstance(value, list):
            return [found(item) for item in value]
        if not isinstance(value, str) or value.startswith("data:") or len(value) > 4096:
            return value
        return str(folder / value) if value and (folder / value).is_file() else value

    return {name: found(value) if name in SEEN else value for name, value in row.items()}


def checked_file(name: str, what: str) -> Path:
    """The path of a file that is there.

    Raises:
        DataError: it is not, or is a folder.
    """
    path = Path(name).expanduser()
    try:
        if path.is_file():
            return path
        fault = f"is a folder, wanted {what}" if path.is_dir() else f"no such file, wanted {what}"
    except (OSError, ValueError) as error:  # a name that no file can have
        fault = f"cannot be read: {error}"
    raise DataError(fault, file=name[:200])


def _check_size(name: str, width: int, height: int) -> None:
    if not 0 < width * height <= MAX_PIXELS:
        raise DataError(
            f"is {width} × {height} pixels, at most {MAX_PIXELS} in all are read", file=name, hint="make it smaller"
        )


def _opaque(picture: Image) -> Image:
    """RGB; what is transparent becomes white, as on paper."""
    from PIL import Image as Pillow

    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        above = picture.convert("RGBA")
        return Pillow.alpha_composite(Pillow.new("RGBA", above.size, "white"), above).convert("RGB")
    return picture.convert("RGB")


def sample_frames(path: str | Path, count: int = FRAMES) -> list[Image]:
    """``count`` pictures of a film, from the middles of as many equal stretches of time; fewer if it has fewer frames.

    Raises:
        DataError: no such file, no film, damaged, too large, or a count out of range.
        MissingPackage: PyAV or Pillow is not installed.
    """
    if not isinstance(count, int) or not 1 <= count <= MAX_FRAMES:
        raise DataError(f"got {count!r} frames, wanted 1 to {MAX_FRAMES}", field="frames")
    file = checked_file(str(path), "a film")
    try:
        import av
        from PIL import Image as Pillow  # noqa: F401 (frames are turned into its pictures)
    except ImportError as error:
        package, extra = ("pillow", "hf") if error.name == "PIL" else ("av", "vision")
        raise MissingPackage(package, extra=extra, purpose="a film") from None
    try:
        with av.open(str(file.resolve())) as film:
            if not film.streams.video:
                raise DataError("holds no moving pictures", file=str(path))
            _check_size(str(path), film.streams.video[0].width, film.streams.video[0].height)
            found = list(_evenly(film, count))
    except (av.FFmpegError, OSError, ValueError) as error:
        raise DataError(f"is no film that can be read: {error}", file=str(path)) from None
    if not found:
        raise DataError("is a film without a frame", file=str(path))
    return found


def _evenly(film: Any, count: int) -> Iterator[Image]:
    """Seek to the key frame before each moment and decode up to it: work depends on the count, not on the length."""
    stream = film.streams.video[0]
    start = float((stream.start_time or 0) * stream.time_base)
    length = _seconds(film, stream)
    last = None
    for i in range(count):
        moment = start + (i + 0.5) / count * length
        film.seek(int(moment / stream.time_base), stream=stream)
        frame = _shown_at(film, moment)
        if frame is not None and frame.pts != last:
            last = frame.pts
            yield cast("Image", frame.to_image())


def _seconds(film: Any, stream: Any) -> float:
    """How long it is: what the file says, else what its packets say."""
    if stream.duration:
        return float(stream.duration * stream.time_base)
    if film.duration:
        return float(film.duration) / 1_000_000
    times = [float((p.pts + (p.duration or 0)) * stream.time_base) for p in film.demux(stream) if p.pts is not None]
    return max(times, default=0.0)


def _shown_at(film: Any, moment: float) -> Any:
    """The frame that is on the screen at a moment: the last one that began before it."""
    shown = None
    for frame in film.decode(video=0):
        if shown is not None and frame.time > moment:
            return shown
        shown = frame
    return shown
