"""Workers that are actors of a Ray cluster. Sibao must be installed on its machines, and the model lie there too."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from sibao.core.errors import BadInput, MissingPackage, ModelError
from sibao.core.system import physical_cores
from sibao.providers._worker import Died, Worker, raised

LOCAL = "local"


class RayCrew:
    """Implements ``workers.Crew``; each actor asks the cluster for as many cores as it has threads."""

    def __init__(self, name: str, how: dict[str, Any], workers: int | None, threads: int, address: str) -> None:
        try:
            import ray
        except ImportError as fault:
            raise MissingPackage("ray", extra="ray", purpose="a cluster of workers") from fault
        self._ray: Any = ray
        self._mine = not ray.is_initialized()
        if self._mine:
            self._join(address, workers, threads)
        cores = int(ray.cluster_resources().get("CPU", 1))
        self.size = workers or max(1, cores // threads)
        self._name, self._how = name, how
        self._actor = ray.remote(num_cpus=threads, max_restarts=0)(Worker)
        self.actors: dict[int, Any] = {}
        self._given: dict[int, Any] = {}

    def start(self, number: int) -> None:
        """Start an actor in place of that number's."""
        self._end(number)
        self.actors[number] = self._actor.remote(self._name, self._how)

    def give(self, number: int, method: str, arguments: tuple[Any, ...]) -> None:
        """Send the work."""
        self._given[number] = self.actors[number].do.remote(method, arguments)

    def wait(self, busy: Sequence[int]) -> list[tuple[int, Any]]:
        """Results of those that are ready; an actor that died is ready, too."""
        by_piece = {self._given[number]: number for number in busy}
        ready, _ = self._ray.wait(list(by_piece), num_returns=1)
        return [(by_piece[piece], self._result(piece)) for piece in ready]

    def close(self) -> None:
        """End the actors, and the cluster where it was started here."""
        for number in list(self.actors):
            self._end(number)
        if self._mine:
            self._ray.shutdown()

    def _join(self, address: str, workers: int | None, threads: int) -> None:
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        if address == LOCAL:
            cores = (workers or max(1, physical_cores() // threads)) * threads
            self._ray.init(num_cpus=cores, include_dashboard=False, **quiet)
            return
        try:
            self._ray.init(address=address, **quiet)
        except (ConnectionError, ValueError, RuntimeError) as fault:
            raise BadInput(
                f"found no Ray cluster at {address!r}: {fault}", hint="--ray local starts one here"
            ) from fault

    def _result(self, piece: Any) -> Any:
        from ray.exceptions import ActorDiedError, RayActorError, RayTaskError

        try:
            kind, value = self._ray.get(piece)
        except (ActorDiedError, RayActorError) as fault:
            cause = getattr(fault, "cause", None)
            return ModelError(f"a worker failed: {cause}") if cause is not None else Died()
        except RayTaskError as fault:
            return ModelError(f"a worker failed: {fault.cause}")
        return raised(value) if kind == "fault" else value

    def _end(self, number: int) -> None:
        if number in self.actors:
            with suppress(Exception):  # it may be gone already, in any of Ray's ways
                self._ray.kill(self.actors.pop(number), no_restart=True)
