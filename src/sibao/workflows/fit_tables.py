"""What ``sibao fit`` shows on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sibao.choosing.fit import Need, decode_rate, prefill_rate
from sibao.workflows.fit import Fit

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table


def show(found: Fit) -> RenderableType:
    """All that was found, for a terminal."""
    from rich.console import Group

    parts = [facts(found), ways(found, found.needs, "answering")]
    if found.training:
        parts.append(ways(found, found.training, f"training, rows of {found.context} tokens"))
    if found.rates:
        parts.append(speeds(found))
    return Group(*parts)


def size(count: float) -> str:
    """Bytes for people, in thousands."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.3g} {unit}" if count < 999 * scale else f"{count / scale:.0f} {unit}"
    return f"{count:.0f} B"


def _table(title: str, *columns: str) -> Table:
    from rich.table import Table

    table = Table(*columns[:1], title=title, title_justify="left", box=None)
    for column in columns[1:]:
        table.add_column(column, justify="right")
    return table


def facts(found: Fit) -> Table:
    """Parameters, weights, cache and the machine."""
    shape, place = found.shape, found.place
    table = _table(f"{found.name}: {shape.kind}, family {shape.family}", "", "")
    rows = {"parameters": f"{shape.parameters:,}"}
    if shape.active != shape.parameters:
        rows["used by each token"] = f"{shape.active:,}"
    rows |= {f"weights in {p}": size(shape.weight_bytes(p)) for p in ("fp32", "bf16", "int8", "int4", "nf4")}
    if shape.cached:
        rows["cache per token (fp32)"] = size(4 * shape.cached)
    rows["memory of this machine"] = f"{size(place.memory)}, {size(place.available)} free"
    rows |= {name: f"{size(free)} free" for name, free in place.accelerators}
    rows["disk"] = f"{size(place.disk)} free"
    for label, value in rows.items():
        table.add_row(label, value)
    return table


def ways(found: Fit, needs: list[Need], title: str) -> Table:
    """What each way takes, and whether that is there."""
    learns = any(need.optimizer for need in needs)
    middle = ("optimizer", "step") if learns else ("cache", "work")
    last = "most rows" if learns else "longest context"
    table = _table(
        f"{title}, {found.batch} at once", "", "precision", "weights", *middle, "base", "total", "fits", last
    )
    for need in needs:
        held = need.optimizer if learns else need.cache
        fits = "yes" if found.fits(need) else "no"
        if found.place.accelerators:
            fits += ", on the GPU too" if found.on_gpu(need) else ", not on the GPU"
        if learns and found.disk(need) > found.place.disk:
            fits += ", but the disk is too small"
        numbers = [size(n) for n in (need.weights, held, need.work, need.base, need.total)]
        table.add_row(need.name, need.precision, *numbers, fits, f"{need.most:,}")
    return table


def speeds(found: Fit) -> Table:
    """Tokens a second, and the measured figures they come from."""
    columns = ("", "writing, tokens/s", "reading, tokens/s", "memory measured", "arithmetic measured")
    table = _table(f"one request with {found.context} tokens behind it, as a limit", *columns)
    for rate in found.rates:
        table.add_row(
            rate.precision,
            f"{decode_rate(found.shape, rate, found.context):.3g}",
            f"{prefill_rate(found.shape, rate):.3g}",
            f"{rate.bandwidth / 1e9:.3g} GB/s",
            f"{rate.arithmetic / 1e9:.3g} GFLOP/s",
        )
    return table
