"""The race of a choice: candidates are opened, answer a few rows alone, run, and are measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from sibao.choosing.cells import Cells
from sibao.choosing.limits import Exclusion, check
from sibao.choosing.race import race, row_order
from sibao.choosing.race_result import Lane, RaceResult
from sibao.core.errors import BadInput, SibaoError
from sibao.core.progress import progress
from sibao.providers.load import local_name
from sibao.workflows._choose_ask import LEVEL, PROBE, Ask, Watch, unwatched
from sibao.workflows._choose_cells import Candidate, closed, refuse_crowd
from sibao.workflows._choose_entrant import RACE, Entrant, Work, quality_cell
from sibao.workflows._models import FREE, Opening, open_model, price_of


@dataclass
class Lineup:
    """Who takes part: cells of those that keep the limits (``table``), of the others, and why these are out."""

    ask: Ask
    work: Work
    table: dict[str, Cells]
    others: dict[str, Cells]
    excluded: list[Exclusion]
    entrants: dict[str, Entrant] = field(default_factory=dict)
    watch: Watch = unwatched

    def run(self, candidates: Sequence[Candidate], *, quiet: bool, today: date) -> RaceResult | None:
        """Open, race and measure. None where fewer than two are left to race."""
        refuse_crowd(self.table)
        rows = len(self.work.items)
        first = row_order(rows, self.ask.plan.seed)[: self.ask.plan.most or rows][:PROBE]
        for place, candidate in enumerate(candidates, start=1):
            if candidate.label in self.table:
                self.watch("open", candidate.label, place, len(candidates))
                self._take(candidate, first)
        result = self._race(quiet) if len(self.table) > 1 else None
        for lane in [] if result is None else result.lanes:
            self._drop_silent(lane)
        for name in self.table:
            self.table[name] = self._measured(name, result, today)
        return result

    def close(self) -> None:
        """End what computes."""
        for entrant in self.entrants.values():
            entrant.opened.close()

    def _take(self, candidate: Candidate, first: Sequence[int]) -> None:
        """Open a candidate and let it answer the first rows; it is out where it cannot, or breaks a measured limit."""
        name = candidate.label
        out = self._open(candidate)
        if not out:
            entrant = self.entrants[name]
            entrant.probe(first)
            if entrant.single:
                found = {
                    **self.table[name],
                    **entrant.cells(self.ask.limits.currency, local_name(candidate.name) is not None),
                }
                out = check(name, found, self.ask.limits)
            else:
                out = [Exclusion(name, "answers", "an answer", entrant.why_missing(), RACE)]
        if out:
            self.others[name] = self.table.pop(name)
            self.excluded += out

    def _drop_silent(self, lane: Lane) -> None:
        """Who failed on most rows is out: a row without an answer is no bet of the race, so that it could not lose there."""
        name, meter = lane.name, self.entrants[lane.name].opened.meter
        if 2 * lane.missing <= lane.asked or (meter is not None and meter.refused):
            return
        why = f"{lane.missing} of {lane.asked} rows failed: {self.entrants[name].why_missing()}"
        self.others[name] = self.table.pop(name)
        self.excluded.append(Exclusion(name, "answers", "an answer to most rows", why, RACE))

    def _open(self, candidate: Candidate) -> list[Exclusion]:
        price = candidate.price or price_of(candidate.name)
        if price is None and self.ask.plan.max_cost is not None and not self.ask.limits.allow_unknown:
            return [Exclusion(candidate.label, "max-cost", "a price", "", "catalogue")]
        currency = self.ask.limits.currency
        if price is not None and self.ask.plan.max_cost is not None and price.abroad(currency):
            why = f"a price in {currency}", f"a price in {price.currency}", price.source or "yours", price.date
            return [Exclusion(candidate.label, "max-cost", *why)]
        how = Opening(candidate.precision, cache=self.ask.cache, price=price or FREE, purse=self.work.purse)
        try:
            opened = open_model(candidate.name, how)
        except BadInput:  # the user's own mistake: a name, or a precision that this model does not have
            raise
        except SibaoError as error:
            return [closed(candidate, error)]
        self.entrants[candidate.label] = Entrant(opened, price, self.work)
        return []

    def _race(self, quiet: bool) -> RaceResult:
        plan, rows = self.ask.plan, len(self.work.items)
        total = len(self.table) * min(rows, plan.most or rows)
        with progress(total, "race", unit="answer", quiet=quiet) as bar:

            def told(name: str, answered: int) -> None:
                bar.advance(answered, last=name)
                self.watch("race", name, len(self.entrants[name].done), min(rows, plan.most or rows))

            return race(list(self.table), lambda name, rows: self.entrants[name].reply(rows), rows, plan, told)

    def _measured(self, name: str, result: RaceResult | None, today: date) -> Cells:
        """A candidate's cells with what the race has measured."""
        entrant = self.entrants[name]
        found = entrant.cells(self.ask.limits.currency, local_name(entrant.opened.bare.name) is not None)
        if result is not None:
            found["quality"] = quality_cell(result.lane(name), self.work.metric, LEVEL)
        day = today.isoformat()
        dated = {key: c if c.date or c.kind == "stated" else replace(c, date=day) for key, c in found.items()}
        return {**self.table[name], **dated}
