import { useState } from "preact/hooks";
import { Select } from "../../components/field";
import { Table, type Column } from "../../components/table";
import { useWords } from "../../lib/i18n";
import { Figure } from "../../plots/figure";
import { Scatter, type Spot } from "../../plots/scatter";
import { axes, number, shown, written } from "./cells";
import type { Cell, Criterion, Result } from "./types";
import { FIGURES, RESULT } from "./words";

const COLUMNS: readonly Criterion[] = ["quality", "cost", "latency", "speed", "memory", "parameters", "energy"];

/** Quality against a figure of the reader's choice, and everything as a table. */
export function Pareto({ result }: { result: Result }) {
  const t = useWords(RESULT);
  const names = useWords(FIGURES);
  const known = axes(result);
  const [asked, setAsked] = useState<Criterion | null>(null);
  const key = asked && known.includes(asked) ? asked : known[0];
  const table = <Candidates result={result} />;
  if (!key) return table;
  const title = t.plot(names[key]);
  const options = known.map((one) => ({ value: one, label: names[one] }));
  const plot = (
    <Scatter spots={spots(result, key, names)} xName={names[key]} yName={names.quality} label={title} hint={t.hint} write={(value) => written(key, value)} />
  );
  return (
    <Figure title={title} plot={plot} table={table}>
      {known.length > 1 && <Select label={t.against} value={key} options={options} onChange={setAsked} />}
    </Figure>
  );
}

function spots(result: Result, key: Criterion, names: Record<Criterion, string>): Spot[] {
  return Object.entries(result.candidates).flatMap(([name, cells]) => {
    const [x, y] = [number(cells[key]), number(cells.quality)];
    if (x === null || y === null) return [];
    const says = `${name}: ${names.quality} ${shown("quality", cells.quality)}, ${names[key]} ${shown(key, cells[key])}`;
    const { low = null, high = null } = cells.quality ?? {};
    return [{ name, x, y, low, high, front: result.pick.front.includes(name), chosen: result.pick.name === name, says }];
  });
}

type Row = [string, Record<string, Cell>];

function Candidates({ result }: { result: Result }) {
  const t = useWords(RESULT);
  const names = useWords(FIGURES);
  const columns: Column<Row>[] = [
    {
      id: "model",
      name: t.model,
      key: ([name]) => name,
      show: ([name]) => (
        <>
          {name} {result.pick.front.includes(name) && <span class="badge soft">{t.front}</span>}
        </>
      ),
    },
    ...COLUMNS.map((key) => ({
      id: key,
      name: names[key],
      number: true,
      show: ([, cells]: Row) => shown(key, cells[key]),
      key: ([, cells]: Row) => number(cells[key]),
    })),
    { id: "licence", name: names.licence, show: ([, cells]) => shown("licence", cells.licence) },
  ];
  return <Table columns={columns} rows={Object.entries(result.candidates)} id={([name]) => name} caption={t.candidates} />;
}
