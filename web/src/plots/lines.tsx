import { useState } from "preact/hooks";
import { Axes } from "./axes";
import { around, linear, type Scale } from "./scale";
import { useWidth } from "./width";

export interface Point {
  x: number;
  y: number;
}

/** `tone` picks one of the two inks of the style sheet. */
export interface Series {
  name: string;
  tone: "first" | "second";
  points: readonly Point[];
  dots?: boolean;
}

interface Props {
  series: readonly Series[];
  xName: string;
  yName: string;
  label: string;
  height?: number;
  write: (value: number) => string;
}

/** Curves over steps. The pointer or the arrow keys pick a step; its values stand below the plot. */
export function Lines({ series, xName, yName, label, height = 260, write }: Props) {
  const { place, width } = useWidth();
  const [picked, setPicked] = useState<number | null>(null);
  const all = series.flatMap((one) => one.points);
  const frame = { left: 52, right: width - 12, top: 22, bottom: height - 38 };
  const x = linear(span(all), [frame.left, frame.right], width < 420 ? 4 : 7);
  const y = linear(around(all.map((p) => p.y)), [frame.bottom, frame.top]);
  const steps = [...new Set(all.map((p) => p.x))].sort((a, b) => a - b);
  const at = picked === null ? null : closest(steps, picked);
  const move = (event: KeyboardEvent) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const now = at === null ? (by > 0 ? -1 : steps.length) : steps.indexOf(at);
    setPicked(steps[Math.min(steps.length - 1, Math.max(0, now + by))] ?? null);
  };
  return (
    <div class="plot" ref={place}>
      <svg
        viewBox={`0 0 ${width} ${height}`}
        role="img"
        aria-label={label}
        tabindex={0}
        onKeyDown={move}
        onPointerMove={(event) => setPicked(under(event, width, x, steps))}
        onPointerLeave={() => setPicked(null)}
      >
        <Axes frame={frame} x={x} y={y} xName={xName} yName={yName} />
        {series.map((one) => (
          <Curve key={one.name} series={one} x={x} y={y} />
        ))}
        {at !== null && <line class="cross" x1={x.at(at)} x2={x.at(at)} y1={frame.top} y2={frame.bottom} />}
      </svg>
      <Readout series={series} at={at} xName={xName} write={write} />
    </div>
  );
}

function Curve({ series, x, y }: { series: Series; x: Scale; y: Scale }) {
  const path = series.points.map((p, i) => `${i ? "L" : "M"}${x.at(p.x).toFixed(1)} ${y.at(p.y).toFixed(1)}`).join("");
  return (
    <g class={`series ${series.tone}`}>
      <path d={path} />
      {(series.dots || series.points.length === 1) &&
        series.points.map((p) => <circle key={p.x} cx={x.at(p.x)} cy={y.at(p.y)} r={3.5} />)}
    </g>
  );
}

/** The legend; with the values at the step that is pointed at. */
function Readout({ series, at, xName, write }: Pick<Props, "series" | "xName" | "write"> & { at: number | null }) {
  return (
    <p class="readout small n">
      {series.map((one) => {
        const near = at === null ? one.points.at(-1) : upTo(one.points, at);
        return (
          <span key={one.name} class={`key ${one.tone}`}>
            {one.name} {near ? write(near.y) : ""}
          </span>
        );
      })}
      <span class="soft">
        {xName} {at ?? series[0]?.points.at(-1)?.x ?? ""}
      </span>
    </p>
  );
}

/** A few steps fill a part of the plot only where there are more to come; one step still has a span. */
function span(points: readonly Point[]): [number, number] {
  const [low, high] = [Math.min(...points.map((p) => p.x)), Math.max(...points.map((p) => p.x))];
  return low === high ? [low - 1, high + 1] : [low, high];
}

function under(event: PointerEvent, width: number, x: Scale, steps: readonly number[]): number | null {
  const box = (event.currentTarget as SVGElement).getBoundingClientRect();
  const place = ((event.clientX - box.left) / box.width) * width;
  return steps.reduce<number | null>(
    (best, step) => (best === null || Math.abs(x.at(step) - place) < Math.abs(x.at(best) - place) ? step : best),
    null,
  );
}

function closest(steps: readonly number[], wanted: number): number | null {
  return steps.includes(wanted) ? wanted : (steps.at(-1) ?? null);
}

function upTo(points: readonly Point[], step: number): Point | undefined {
  return points.findLast((point) => point.x <= step) ?? points[0];
}

