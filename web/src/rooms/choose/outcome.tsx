import { Table, type Column } from "../../components/table";
import { useWords } from "../../lib/i18n";
import { figure, percent, whole } from "../../lib/numbers";
import { href } from "../../lib/route";
import { told } from "../../lib/told";
import { shown } from "./cells";
import { Pareto } from "./pareto";
import { CELLS, SOURCES } from "./told";
import type { Cell, Exclusion, Lane, Result } from "./types";
import { FIGURES, LIMITS, RESULT } from "./words";

/** What came of a choice: the pick and its reasons first. */
export function Outcome({ result }: { result: Result }) {
  const t = useWords(RESULT);
  return (
    <section class="stack" data-outcome={result.pick.name ?? ""}>
      <Verdict result={result} />
      {result.race && <Pareto result={result} />}
      {result.race && <Race lanes={result.race.lanes} />}
      {result.excluded.length > 0 && <Out excluded={result.excluded} />}
      <Spans result={result} />
      {result.advice.length > 0 && <h2>{t.advice}</h2>}
      {result.advice.map((one) => (
        <details key={one.question} class="card">
          <summary>{one.question}</summary>
          {one.answer.map((line, place) => (
            <p key={place} class="text">
              <WithCode text={line} />
            </p>
          ))}
        </details>
      ))}
      <Sources result={result} />
    </section>
  );
}

/** Commands stand between backticks. */
function WithCode({ text }: { text: string }) {
  return <>{text.split("`").map((part, place) => (place % 2 ? <code key={place}>{part}</code> : part))}</>;
}

function Verdict({ result }: { result: Result }) {
  const t = useWords(RESULT);
  const names = useWords(FIGURES);
  const { pick, race } = result;
  const rivals = pick.rivals.join(t.and);
  const weights = Object.entries(pick.weights).map(([key, share]) => `${names[key as keyof typeof names]} ${percent(share)}`).join(t.and);
  const why = () => {
    if (!pick.name) return pick.by === "nobody" && pick.verdict === "not raced" && result.advice.length ? t.notRaced : t.nobody;
    if (pick.by === "race") return t.byRace(percent(1 - (race?.delta ?? 0.05)));
    if (pick.by === "only one left") return t.byOne;
    if (pick.verdict === "not distinguishable") return weights ? t.byWeights(rivals, weights) : t.byMeasure(rivals);
    return t.byAll(weights);
  };
  return (
    <div class="card stack">
      <p class="verdict" role="status">
        {pick.name ? t.pick(pick.name) : t.noPick}
      </p>
      <p>{why()}</p>
      {pick.unused.length > 0 && <p class="soft small">{t.unused(pick.unused.map((key) => names[key as keyof typeof names]).join(t.and))}</p>}
      {race && (
        <p class="soft small">
          {race.stopped === "rows" ? t.rows(whole(race.rows)) : race.stopped === "budget" ? t.budget : t.oneLeft}{" "}
          {t.tokens(whole(race.tokens), percent(race.full_tokens ? race.tokens / race.full_tokens : 1))}
          {result.run && (
            <>
              {" "}
              <a href={href("runs", result.run)}>
                {t.run} {result.run}
              </a>
            </>
          )}
        </p>
      )}
    </div>
  );
}

function Race({ lanes }: { lanes: readonly Lane[] }) {
  const t = useWords(RESULT);
  const names = useWords(FIGURES);
  const fate = (lane: Lane) => {
    const end = lane.beaten ? t.dropped(whole(lane.beaten.rows), lane.beaten.winner, figure(lane.beaten.difference, 3)) : t.stays;
    return lane.missing ? `${end}${t.and}${t.missing(whole(lane.missing))}` : end;
  };
  const columns: Column<Lane>[] = [
    { id: "name", name: t.model, show: (lane) => lane.name, key: (lane) => lane.name },
    { id: "mean", name: names.quality, number: true, show: (lane) => `${figure(lane.mean, 3)} (${figure(lane.low, 3)} … ${figure(lane.high, 3)})`, key: (lane) => lane.mean },
    { id: "fate", name: t.state, show: fate },
  ];
  return <Table columns={columns} rows={lanes} id={(lane) => lane.name} caption={t.race} />;
}

function Out({ excluded }: { excluded: readonly Exclusion[] }) {
  const t = useWords(RESULT);
  const limits: Record<string, string> = useWords(LIMITS);
  const columns: Column<Exclusion>[] = [
    { id: "name", name: t.model, show: (one) => one.name, key: (one) => one.name },
    { id: "limit", name: t.limit, show: (one) => limits[one.limit] ?? one.limit },
    { id: "wanted", name: t.wanted, show: (one) => told(one.wanted, CELLS) },
    { id: "got", name: t.found, show: (one) => (one.unknown ? t.nobodySays : told(one.got, CELLS)) },
    { id: "source", name: t.source, show: (one) => told(one.source, SOURCES) },
  ];
  return <Table columns={columns} rows={excluded} id={(one) => one.name + one.limit} caption={t.out} />;
}

/** For which weights the pick would be another. */
function Spans({ result }: { result: Result }) {
  const t = useWords(RESULT);
  const names = useWords(FIGURES);
  const turning = Object.entries(result.pick.spans).filter(([, spans]) => spans && spans.length > 1);
  if (!result.race || !turning.length) return null;
  return (
    <details class="card">
      <summary>{t.spans}</summary>
      {turning.map(([key, spans]) => (
        <p key={key}>
          {t.span(names[key as keyof typeof names], (spans ?? []).map((s) => `${percent(s.low)} – ${percent(s.high)} ${s.name}`).join(t.and))}
        </p>
      ))}
    </details>
  );
}

interface Sourced {
  model: string;
  key: string;
  cell: Cell;
}

function Sources({ result }: { result: Result }) {
  const t = useWords(RESULT);
  const names: Record<string, string> = useWords(FIGURES);
  const kinds: Record<string, string> = { measured: t.kinds_measured, estimated: t.kinds_estimated, stated: t.kinds_stated };
  const rows = Object.entries(result.candidates).flatMap(([model, cells]) =>
    Object.entries(cells)
      .filter(([key, cell]) => key in names && cell.value !== null)
      .map(([key, cell]): Sourced => ({ model, key, cell })),
  );
  if (!rows.length) return null;
  const columns: Column<Sourced>[] = [
    { id: "model", name: t.model, show: (one) => one.model, key: (one) => one.model },
    { id: "fact", name: t.fact, show: (one) => names[one.key] ?? one.key, key: (one) => one.key },
    { id: "value", name: t.value, number: true, show: (one) => shown(one.key, one.cell) },
    { id: "kind", name: t.kind, show: (one) => kinds[one.cell.kind] ?? one.cell.kind },
    { id: "source", name: t.source, show: (one) => told(one.cell.source, SOURCES) },
    { id: "date", name: t.date, show: (one) => one.cell.date },
  ];
  return (
    <details>
      <summary>{t.sources}</summary>
      <Table columns={columns} rows={rows} id={(one) => `${one.model} ${one.key}`} caption={t.sources} />
    </details>
  );
}
