"""Pictures and films: every way to give one, upright and opaque, bounded, and clear about what is wrong."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sibao.core.errors import BadInput, DataError
from sibao.text import media
from sibao.text.media import beside, open_image, parts, refuse_files, sample_frames, sees

PANDA = Path(__file__).parents[1] / "data" / "images" / "panda.png"


def pixels(image: Any) -> np.ndarray:
    return np.asarray(image)


def png(picture: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, **({"format": "PNG"} | options))
    return buffer.getvalue()


def test_every_way_gives_the_same_picture() -> None:
    data = PANDA.read_bytes()
    url = "data:image/png;base64," + base64.b64encode(data).decode()
    ways = [str(PANDA), PANDA, data, url, {"bytes": data, "path": None}, {"path": str(PANDA)}]
    found = [open_image(way) for way in ways]
    assert all(image.mode == "RGB" and image.size == (72, 72) for image in found)
    assert all((pixels(image) == pixels(found[0])).all() for image in found)
    assert found[0].getpixel((0, 0)) == (255, 255, 255), "transparent corners are white"


def test_a_photograph_stands_upright() -> None:
    from PIL import Image

    wide = Image.new("RGB", (4, 2), "red")
    wide.putpixel((0, 0), (0, 0, 255))
    exif = Image.Exif()
    exif[274] = 6  # the camera was held turned: show it turned by 90 degrees clockwise
    found = open_image(png(wide, exif=exif))
    assert found.size == (2, 4) and found.getpixel((1, 0)) == (0, 0, 255)


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "I;16", "LA"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    from PIL import Image

    data = png(Image.new(mode, (3, 3)), format="TIFF")
    assert open_image(data).mode == "RGB"


def bomb(width: int, height: int) -> bytes:
    """A PNG that says it is huge; a hundred bytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("nowhere.png", "no such file"),
        (str(PANDA.parent), "is a folder"),
        (str(Path(__file__)), "is no picture of a format that is read"),
        (b"", "has 0 bytes"),
        (PANDA.read_bytes()[:900], "damaged"),
        (bomb(60_000, 60_000), "more than|at most"),
        (bomb(9_000, 9_000), "at most 64000000"),
        ("data:image/png,abc", "not base64"),
        ("data:image/png;base64,@@@", "not base64"),
        ("a\0b.png", "cannot be read|no such file"),
        (7, "got int"),
    ],
)
def test_what_is_no_picture_is_refused(source: object, said: str) -> None:
    with pytest.raises(DataError, match=said):
        open_image(source)


def test_nothing_is_fetched() -> None:
    with pytest.raises(BadInput, match="pictures are not fetched"):
        open_image("http://127.0.0.1:9/a.png")


def test_a_large_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "MAX_BYTES", 100)
    with pytest.raises(DataError, match="at most 100 are read"):
        open_image(PANDA)
    with pytest.raises(DataError, match="wanted 1 to 100"):
        open_image(PANDA.read_bytes())


def test_parts_in_both_forms() -> None:
    url = {"type": "image_url", "image_url": {"url": "data:x", "detail": "low"}}
    assert parts("你好") == [{"type": "text", "text": "你好"}]
    assert parts([url, {"type": "video", "video": "a.mp4"}]) == [  # type: ignore[list-item]
        {"type": "image", "image": "data:x"}, {"type": "video", "video": "a.mp4", "frames": 8},
    ]  # fmt: skip
    for wrong in ([], [{"type": "text"}], ["text"], [{"type": "image"}], [{"type": "audio", "audio": "a"}]):
        with pytest.raises(DataError, match="wanted"):
            parts(wrong)  # type: ignore[arg-type]
    assert sees({"role": "user", "content": [url]}) and not sees({"role": "user", "content": "a.png"})  # type: ignore[list-item]


def film(path: Path, shades: list[int], rate: int = 10, size: int = 32) -> Path:
    """A film whose every frame has one shade of grey."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width = stream.height = size
        stream.pix_fmt = "yuv420p"
        for shade in shades:
            frame = av.VideoFrame.from_ndarray(np.full((size, size, 3), shade, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("ending", ["mp4", "mkv", "avi"])
def test_frames_are_taken_evenly(tmp_path: Path, ending: str) -> None:
    path = film(tmp_path / f"grey.{ending}", [6 * i for i in range(40)])
    found = [float(pixels(image).mean()) for image in sample_frames(path, 4)]
    # the middles of four stretches of ten frames: frames 5, 15, 25, 35
    assert found == pytest.approx([30, 90, 150, 210], abs=8)
    assert sample_frames(path, 1)[0].size == (32, 32)


def test_a_short_film_gives_each_frame_once(tmp_path: Path) -> None:
    assert len(sample_frames(film(tmp_path / "short.mp4", [0, 100, 200]), 16)) == 3


def test_what_is_no_film_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"not a film" * 100)
    for path, said in [
        (tmp_path / "a.mp4", "no film"),
        (tmp_path / "b.mp4", "no such file"),
        (tmp_path, "is a folder"),
    ]:
        with pytest.raises(DataError, match=said):
            sample_frames(path)
    whole = film(tmp_path / "c.mp4", list(range(0, 250, 10))).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError):
        sample_frames(tmp_path / "cut.mp4")
    with pytest.raises(DataError, match="got 0 frames"):
        sample_frames(tmp_path / "c.mp4", 0)


def test_pictures_beside_the_data_file(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PANDA.read_bytes())
    row = {"image": "a.png", "images": ["a.png", "b.png"], "text": "a.png"}
    assert beside(row, tmp_path / "rows.jsonl") == {
        "image": str(tmp_path / "a.png"), "images": [str(tmp_path / "a.png"), "b.png"], "text": "a.png",
    }  # fmt: skip


@pytest.mark.parametrize(
    "row",
    [
        {"image": "/x", "text": "y"},
        {"images": ["data:image/png;base64,", "x.png"]},
        {"image": {"bytes": "/x"}},
        {"image": {"bytes": None, "path": "/x"}},
        {"video": "file.mp4"},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "/x"}}]}]},
    ],
)
def test_a_strangers_row_names_no_file(row: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="files of the server are not read"):
        refuse_files(row)


def test_a_strangers_row_may_hold_pictures() -> None:
    shown = "data:image/png;base64,"
    refuse_files({"image": shown, "text": "/x", "question": "images/a.png"})
    refuse_files({"messages": [{"role": "user", "content": [{"type": "image", "image": shown}]}], "video": None})
