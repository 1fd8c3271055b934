import { Interval } from "../../components/interval";
import { Empty, Failure, Loading } from "../../components/states";
import { Table, type Column } from "../../components/table";
import { useAsk, type Asked } from "../../lib/ask";
import { useWords } from "../../lib/i18n";
import { WORDS } from "./words";

export interface Standing {
  model: string;
  against: string;
  wins: number;
  losses: number;
  ties: number;
  neither: number;
  rate: number | null;
  low: number | null;
  high: number | null;
}

export interface Standings {
  votes: number;
  left: { rate: number | null; low: number | null; high: number | null; n: number };
  models: Standing[];
  pairs: Standing[];
}

/** The count of all votes; read anew whenever the room is entered. */
export const useStandings = (active: boolean) => useAsk<Standings>("/api/votes", active);

export function StandingsView({ found: counted, fault, again }: Asked<Standings>) {
  const t = useWords(WORDS);
  const columns = useColumns();
  return (
    <section class="stack standings">
      <h2>{t.standings}</h2>
      {fault && <Failure error={fault} again={again} />}
      {!counted && !fault && <Loading />}
      {counted?.votes === 0 && <Empty title={t.none} />}
      {counted && counted.votes > 0 && (
        <>
          <Table
            caption={t.count(counted.votes)}
            columns={[{ id: "model", name: t.model, show: (row) => row.model, key: (row) => row.model }, ...columns]}
            rows={counted.models}
            id={(row) => row.model}
          />
          <p class="soft small">{t.about}</p>
          <LeftShare left={counted.left} />
          {counted.pairs.length > 1 && (
            <Table
              caption={t.pairs}
              columns={[{ id: "pair", name: t.pair, show: (row) => t.over(row.model, row.against) }, ...columns]}
              rows={counted.pairs}
              id={(row) => `${row.model} ${row.against}`}
            />
          )}
        </>
      )}
    </section>
  );
}

function useColumns(): Column<Standing>[] {
  const t = useWords(WORDS);
  const count = (id: "wins" | "losses" | "ties" | "neither", name: string): Column<Standing> => {
    return { id, name, number: true, descending: true, key: (row) => row[id], show: (row) => row[id] };
  };
  return [
    count("wins", t.wins),
    count("losses", t.losses),
    count("ties", t.ties),
    count("neither", t.bad),
    {
      id: "rate",
      name: t.rate,
      number: true,
      descending: true,
      key: (row) => row.rate,
      show: (row) => percent(row.rate),
    },
    { id: "range", name: t.range, key: (row) => row.low, descending: true, show: (row) => <Range row={row} /> },
  ];
}

function Range({ row }: { row: Standing }) {
  if (row.rate === null || row.low === null || row.high === null) return <>–</>;
  const said = `${percent(row.low)}–${percent(row.high)}`;
  return (
    <span class="range n">
      <Interval value={row.rate} low={row.low} high={row.high} mark={0.5} label={said} />
      {said}
    </span>
  );
}

/** Said once it could be noticed: votes by place are no votes on answers. */
function LeftShare({ left }: { left: Standings["left"] }) {
  const t = useWords(WORDS);
  if (left.low === null || left.high === null) return null;
  const unfair = left.low > 0.5 || left.high < 0.5;
  return (
    <p class={unfair ? "warn small" : "soft small"}>
      {t.place(percent(left.rate), percent(left.low), percent(left.high))}
    </p>
  );
}

function percent(share: number | null): string {
  return share === null ? "–" : `${Math.round(100 * share)}%`;
}
