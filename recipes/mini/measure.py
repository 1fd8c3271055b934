"""Measure everything that the card of `mini` says: `python recipes/mini/measure.py MODEL --ngram RUN@STEP`.

Writes one JSON file after every part. A part that fails is reported as missing with the reason, the others go on.
Seeds are fixed. About ten minutes on 2 idle cores; --limit makes it shorter.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import parts

from sibao.core.energy import EnergyMeter
from sibao.core.paths import write_text
from sibao.core.system import machine
from sibao.models.folder import read_config
from sibao.models.names import resolve
from sibao.models.weights import weight_files
from sibao.providers.load import load

Row = dict[str, Any]


def guarded(work: Callable[[], Row]) -> Row:
    """What a part gives with the seconds it took, or the reason why it gave nothing."""
    begun = time.perf_counter()
    try:
        found = work()
    except Exception as error:  # whatever went wrong in one part must not lose the others
        found = {"missing": f"{type(error).__name__}: {error}"}
        print(f"missing: {found['missing']}", file=sys.stderr)
    return {**found, "seconds": round(time.perf_counter() - begun, 1)}


def facts(model: Any, name: str) -> Row:
    """Shape and size of the model."""
    folder = resolve(name).folder
    family, config = read_config(folder)
    kept = [*weight_files(folder), *folder.glob("*.json"), *folder.glob("*.jinja")]
    shape = {key: getattr(config, key) for key in (
        "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim",
        "intermediate_size", "max_position_embeddings",
    )}  # fmt: skip
    return {
        "family": family,
        "parameters": sum({p.data_ptr(): p.numel() for p in model.engine.model.parameters()}.values()),
        "embedding_parameters": config.vocab_size * config.hidden_size,
        "shape": shape,
        "dtype": json.loads((folder / "config.json").read_text(encoding="utf-8")).get("dtype", "unknown"),
        "weight_bytes": sum(path.stat().st_size for path in weight_files(folder)),
        "folder_bytes": sum(path.stat().st_size for path in dict.fromkeys(kept)),
    }


def speed(name: str) -> Row:
    """The report of speed.py, from a process of its own."""
    command = [sys.executable, str(Path(__file__).with_name("speed.py")), name]
    if threads := os.environ.get("OMP_NUM_THREADS"):
        command += ["--threads", threads]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["no message"])[-1])
    found: Row = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def meter() -> Row:
    """Where this machine's energy figures come from."""
    with EnergyMeter() as watch:
        pass
    return {"kind": watch.energy.kind, "source": watch.energy.source}


def chosen(text: str | None) -> list[str]:
    """Names of the parts to do."""
    known = [*parts.PARTS, "speed"]
    wanted = known if text is None else text.split(",")
    if odd := [name for name in wanted if name not in known]:
        raise SystemExit(f"no such part: {', '.join(odd)}; parts: {', '.join(known)}")
    return wanted


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("model", help="model folder or name")
    parser.add_argument("--data", type=Path, default=Path("build/mini"), help="folder that prepare.py wrote")
    parser.add_argument("--limit", type=int, default=250, help="rows of each set (default 250)")
    parser.add_argument("--ngram", help="runs FOLDER[@STEP],FOLDER for the 5-gram model, or a JSON of bench/ngram.py")
    parser.add_argument("--parts", help="only these, with commas between; the others stay as they are in --out")
    parser.add_argument("--out", type=Path, default=Path("build/mini/measured.json"))
    return parser.parse_args()


def main() -> None:
    args = options()
    wanted = chosen(args.parts)
    report: Row = json.loads(args.out.read_text(encoding="utf-8")) if args.parts and args.out.is_file() else {}
    model: Any = load(args.model)
    setting = parts.Setting(model, args.data, args.limit, args.ngram)
    report |= {
        "model": args.model, "limit": args.limit, "machine": machine().__dict__, "energy_meter": meter(),
        "facts": facts(model, args.model), "parts": report.get("parts", {}),
    }  # fmt: skip
    for name in wanted:
        work = partial(speed, args.model) if name == "speed" else partial(parts.PARTS[name], setting)
        report["parts"][name] = guarded(work)
        write_text(args.out, json.dumps(report, ensure_ascii=False, indent=1) + "\n")
    missing = [name for name in wanted if "missing" in report["parts"][name]]
    total = sum(report["parts"][name]["seconds"] for name in wanted)
    print(f"{args.out}: {len(wanted) - len(missing)} of {len(wanted)} parts in {total:.0f} s")
    if missing:
        raise SystemExit(f"missing: {', '.join(missing)}")


if __name__ == "__main__":
    main()
