import { useState } from "preact/hooks";
import { Axes } from "./axes";
import { around, linear, type Scale } from "./scale";
import { useWidth } from "./width";

/** One candidate. `front`: nobody beats it in everything; `chosen`: the pick. */
export interface Spot {
  name: string;
  x: number;
  y: number;
  low: number | null;
  high: number | null;
  front: boolean;
  chosen: boolean;
  says: string;
}

interface Props {
  spots: readonly Spot[];
  xName: string;
  yName: string;
  label: string;
  hint: string;
  write: (value: number) => string;
  height?: number;
}

/** Quality against what it costs. Whiskers are intervals, the dashed line is the Pareto front. */
export function Scatter({ spots, xName, yName, label, hint, write, height = 320 }: Props) {
  const { place, width } = useWidth();
  const [picked, setPicked] = useState<string | null>(null);
  const frame = { left: 52, right: width - 16, top: 24, bottom: height - 40 };
  const xs = around(spots.map((s) => s.x), 0.15);
  const x = linear([Math.min(...spots.map((s) => s.x)) >= 0 ? Math.max(0, xs[0]) : xs[0], xs[1]], [frame.left, frame.right], width < 420 ? 3 : 6);
  const y = linear(around(spots.flatMap((s) => [s.y, s.low ?? s.y, s.high ?? s.y])), [frame.bottom, frame.top]);
  const labels = placed(spots.map((spot) => ({ text: short(spot.name), left: x.at(spot.x), top: y.at(spot.y) })), width);
  const front = spots.filter((s) => s.front).sort((a, b) => a.x - b.x);
  return (
    <div class="plot" ref={place}>
      <svg viewBox={`0 0 ${width} ${height}`} role="group" aria-label={label}>
        <Axes frame={frame} x={x} y={y} xName={xName} yName={yName} write={write} />
        <polyline class="front" points={front.map((s) => `${x.at(s.x)},${y.at(s.y)}`).join(" ")} />
        {spots.map((spot, place) => (
          <Mark key={spot.name} spot={spot} x={x} y={y} label={labels[place]} onPick={setPicked} />
        ))}
      </svg>
      <p class="readout small">{spots.find((spot) => spot.name === picked)?.says ?? <span class="soft">{hint}</span>}</p>
    </div>
  );
}

interface MarkProps {
  spot: Spot;
  x: Scale;
  y: Scale;
  label: Label | undefined;
  onPick: (name: string | null) => void;
}

function Mark({ spot, x, y, label, onPick }: MarkProps) {
  const [left, top] = [x.at(spot.x), y.at(spot.y)];
  const tone = spot.chosen ? "spot chosen" : spot.front ? "spot on-front" : "spot";
  return (
    <g
      class={tone}
      tabindex={0}
      role="img"
      aria-label={spot.says}
      onPointerEnter={() => onPick(spot.name)}
      onPointerLeave={() => onPick(null)}
      onFocus={() => onPick(spot.name)}
      onBlur={() => onPick(null)}
    >
      {spot.low !== null && spot.high !== null && (
        <line class="whisker" x1={left} x2={left} y1={y.at(spot.low)} y2={y.at(spot.high)} />
      )}
      <circle cx={left} cy={top} r={spot.chosen ? 7 : 5.5} />
      <circle class="reach" cx={left} cy={top} r={18} />
      {label && (
        <text class="spot-name" x={label.left} y={label.top}>
          {label.text}
        </text>
      )}
    </g>
  );
}

interface Label {
  text: string;
  left: number;
  top: number;
}

const short = (name: string) => (name.length > 32 ? `…${name.slice(-31)}` : name);
const LETTER = 7;
const LINE = 15;

/** Names beside their dots, on the side with room; one that would lie on another moves up line by line. */
function placed(dots: readonly Label[], width: number): Label[] {
  const done: Label[] = [];
  for (const { text, left, top } of dots) {
    const wide = text.length * LETTER;
    const label = { text, left: left + 11 + wide < width ? left + 11 : Math.max(0, left - 11 - wide), top: top - 8 };
    const meets = (other: Label) =>
      Math.abs(other.top - label.top) < LINE && other.left < label.left + wide && label.left < other.left + other.text.length * LETTER;
    while (done.some(meets) && label.top > LINE) label.top -= LINE;
    done.push(label);
  }
  return done;
}
