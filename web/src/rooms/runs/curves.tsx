import type { ComponentChildren } from "preact";
import { Empty } from "../../components/states";
import { Table, type Column } from "../../components/table";
import { useWords } from "../../lib/i18n";
import { figure, whole } from "../../lib/numbers";
import { Figure } from "../../plots/figure";
import { Lines, type Point, type Series } from "../../plots/lines";
import type { RunDetail } from "./types";
import { WORDS } from "./words";

const MOST = 600;

/** Losses, energy and speed of a training run, as far as it is. */
export function Plots({ run }: { run: RunDetail }) {
  const t = useWords(WORDS);
  const { steps, evals } = run.curves;
  if (!steps.length) return run.state === "running" && run.can_stop ? <Empty title={t.waiting} /> : null;
  const shown = thinned(steps);
  const points = (value: (one: (typeof steps)[number]) => number | null): Point[] =>
    shown.flatMap((one) => (value(one) === null ? [] : [{ x: one.step, y: value(one) as number }]));
  const valid = evals.flatMap((one) => (one.valid_loss === null ? [] : [{ x: one.step, y: one.valid_loss }]));
  const losses: Series[] = [
    { name: t.train, tone: "first", points: points((one) => one.loss) },
    ...(valid.length ? [{ name: t.valid, tone: "second", points: valid, dots: true } as const] : []),
  ];
  const samples = evals.findLast((one) => one.samples.length > 0);
  return (
    <>
      <Curve title={t.losses} unit={t.nats} series={losses} height={280}>
        {run.points > shown.length && <p class="small soft">{t.thinned(whole(shown.length), whole(run.points))}</p>}
      </Curve>
      <div class="two">
        <Curve title={t.energyTitle} unit={t.wattHours} height={200} series={[{ name: t.energyTitle, tone: "first", points: points((one) => one.joules && one.joules / 3600) }]} />
        <Curve title={t.speedTitle} unit={t.tokensPerSecond} height={200} series={[{ name: t.speedTitle, tone: "first", points: points((one) => one.tokens_per_second) }]} />
      </div>
      {samples && (
        <section class="card stack">
          <h3>{t.samples(whole(samples.step))}</h3>
          <div class="tall stack" role="region" aria-label={t.samples(whole(samples.step))} tabIndex={0}>
            {samples.samples.map((text, place) => (
              <p key={place} class="text">
                {text}
              </p>
            ))}
          </div>
        </section>
      )}
    </>
  );
}

interface CurveProps {
  title: string;
  unit: string;
  series: readonly Series[];
  height: number;
  children?: ComponentChildren;
}

function Curve({ title, unit, series, height, children }: CurveProps) {
  const t = useWords(WORDS);
  const drawn = series.filter((one) => one.points.length > 0);
  if (!drawn.length) return null;
  const at = new Map(drawn.map((one) => [one.name, new Map(one.points.map((point) => [point.x, point.y]))]));
  const steps = [...new Set(drawn.flatMap((one) => one.points.map((point) => point.x)))].sort((a, b) => b - a);
  const columns: Column<number>[] = [
    { id: "step", name: t.step, number: true, show: whole, key: (step) => step, descending: true },
    ...drawn.map((one) => ({ id: one.name, name: one.name, number: true, show: (step: number) => figure(at.get(one.name)?.get(step)) })),
  ];
  const plot = <Lines series={drawn} xName={t.step} yName={unit} label={`${title}, ${unit}`} height={height} write={figure} />;
  const table = (
    <div class="tall">
      <Table columns={columns} rows={steps} id={String} caption={`${title}, ${unit}`} />
    </div>
  );
  return (
    <Figure title={title} plot={plot} table={table}>
      {children}
    </Figure>
  );
}

/** A screen is not wider: every so many steps, the last one always. */
function thinned<T>(all: readonly T[]): readonly T[] {
  const every = Math.ceil(all.length / MOST);
  return every <= 1 ? all : all.filter((_, place) => (all.length - 1 - place) % every === 0);
}
