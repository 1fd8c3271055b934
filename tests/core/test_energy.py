"""Energy: the arithmetic of the counters, the stated estimate, and that the two kinds never mix."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from sibao.core import energy
from sibao.core.config import settings
from sibao.core.energy import Energy, EnergyMeter


@pytest.fixture
def no_counters(tmp_path: Path) -> Path:
    return tmp_path / "no-powercap"


def zone(folder: Path, name: str, microjoules: int, wrap: int = 1_000_000_000) -> Path:
    """A RAPL zone as the kernel shows it."""
    (folder / name).mkdir(parents=True)
    (folder / name / "max_energy_range_uj").write_text(f"{wrap}\n")
    (folder / name / "energy_uj").write_text(f"{microjoules}\n")
    return folder / name / "energy_uj"


def test_units() -> None:
    used = Energy(7.2e6, "rapl", "measured", 100.0)
    assert used.kwh == 2.0 and used.watts == 72_000
    assert used.co2_grams(500) == 1000 and used.co2_grams() == 2 * settings().grid_grams_per_kwh
    assert used.to_json()["kind"] == "measured" and used.to_json()["co2_grams"] == used.co2_grams()
    assert Energy(0, "", "estimated", 0).watts == 0


def test_estimate_states_its_watts(no_counters: Path) -> None:
    with EnergyMeter(gpu=False, powercap=no_counters) as meter:
        began = time.process_time()
        while time.process_time() - began < 0.3:
            pass
    used, chosen = meter.energy, settings()
    assert used.kind == "estimated" and not used.idle_subtracted
    assert used.source == f"cpu time x {chosen.energy_watts_per_core:g} W per core + {chosen.energy_watts_base:g} W"
    cpu = (used.joules - used.seconds * chosen.energy_watts_base) / chosen.energy_watts_per_core
    assert 0.25 < cpu < 0.5


def test_estimate_counts_children(no_counters: Path) -> None:
    burn = "import time\nwhile time.process_time() < 0.4: pass"
    with EnergyMeter(gpu=False, powercap=no_counters) as meter:
        subprocess.run([sys.executable, "-c", burn], check=True)
    chosen = settings()
    cpu = (meter.energy.joules - meter.energy.seconds * chosen.energy_watts_base) / chosen.energy_watts_per_core
    assert cpu > 0.35


def test_rapl_sums_packages_and_survives_the_wrap(tmp_path: Path) -> None:
    first, second = zone(tmp_path, "intel-rapl:0", 900_000_000), zone(tmp_path, "intel-rapl:1", 5_000_000)
    core, copy = zone(tmp_path, "intel-rapl:0:0", 0), zone(tmp_path, "intel-rapl-mmio:0", 0)
    with EnergyMeter(gpu=False, powercap=tmp_path) as meter:
        first.write_text("50000000")  # 150 J later, around the wrap
        second.write_text("7000000")
        assert meter.read().joules == pytest.approx(152, abs=1e-5)
        first.write_text("60000000")
        for other in (core, copy):  # parts and copies of the packages must not count twice
            other.write_text("999000000")
    used = meter.energy
    assert (used.kind, used.source) == ("measured", "rapl")
    assert used.joules == pytest.approx(162, abs=1e-5)


def test_idle_is_subtracted_and_said(tmp_path: Path) -> None:
    counter = zone(tmp_path, "intel-rapl:0", 0)
    with EnergyMeter(gpu=False, idle_watts=1000.0, powercap=tmp_path) as meter:
        counter.write_text("500000000")
        time.sleep(0.05)
    used = meter.energy
    assert used.idle_subtracted and used.joules == pytest.approx(500 - 1000 * used.seconds)


def test_unreadable_counter_falls_back_to_the_estimate(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", 0).unlink()
    with EnergyMeter(gpu=False, powercap=tmp_path) as meter:
        pass
    assert meter.energy.kind == "estimated"


class Card:
    """The calls of NVML that the meter makes, with a counter or, ``counter=None``, only a power reading (in watts)."""

    class NVMLError(Exception):
        pass

    def __init__(self, counter: list[float] | None, watts: float = 0.0) -> None:
        self.counter, self.watts = counter, watts

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return 1

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        return index

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: int) -> float:  # noqa: N802
        if self.counter is None:
            raise self.NVMLError
        return self.counter[0] * 1000

    def nvmlDeviceGetPowerUsage(self, handle: int) -> float:  # noqa: N802
        return self.watts * 1000

    def nvmlShutdown(self) -> None:  # noqa: N802
        pass


def test_card_counter_alone_says_so(no_counters: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counter = [100.0]
    monkeypatch.setattr(energy._Nvml, "open", classmethod(lambda cls: cls(Card(counter))))
    with EnergyMeter(powercap=no_counters) as meter:
        counter[0] = 350.0
    assert meter.energy.joules == pytest.approx(250)
    assert (meter.energy.kind, meter.energy.source) == ("measured", "nvml (graphics card only)")


def test_card_and_processor_add_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counter, rapl = [0.0], zone(tmp_path, "intel-rapl:0", 0)
    monkeypatch.setattr(energy._Nvml, "open", classmethod(lambda cls: cls(Card(counter))))
    with EnergyMeter(powercap=tmp_path) as meter:
        counter[0] = 5.0
        rapl.write_text("3000000")
    assert (meter.energy.source, meter.energy.joules) == ("rapl+nvml", pytest.approx(8))


def test_card_without_counter_is_integrated(no_counters: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy._Nvml, "open", classmethod(lambda cls: cls(Card(None, watts=200.0))))
    monkeypatch.setattr(energy, "POLL_SECONDS", 0.01)
    with EnergyMeter(powercap=no_counters) as meter:
        time.sleep(0.2)
    assert meter.energy.joules == pytest.approx(200 * meter.energy.seconds, rel=0.1)


def test_visible_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert energy._visible(3) == [0, 1, 2]
    for text, cards in (("2,0", [2, 0]), ("", []), ("GPU-abc", [0, 1, 2]), ("7", [])):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", text)
        assert energy._visible(3) == cards


def test_whatever_this_machine_has_gives_one_kind() -> None:
    with EnergyMeter() as meter:
        sum(range(10**6))
    assert meter.energy.joules >= 0 and meter.energy.seconds > 0
    assert meter.energy.kind == ("estimated" if "cpu time" in meter.energy.source else "measured")
