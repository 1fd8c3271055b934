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
  const front = spots.filter((s) => s.front).sort((a, b) => a.x - b.x);
  return (
    <div class="plot" ref={place}>
      <svg viewBox={`0 0 ${width} ${height}`} role="group" aria-label={label}>
        <Axes frame={frame} x={x} y={y} xName={xName} yName={yName} write={write} />
        <polyline class="front" points={front.map((s) => `${x.at(s.x)},${y.at(s.y)}`).join(" ")} />
        {spots.map((spot) => (
          <Mark key={spot.name} spot={spot} x={x} y={y} middle={width / 2} onPick={setPicked} />
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
  middle: number;
  onPick: (name: string | null) => void;
}

function Mark({ spot, x, y, middle, onPick }: MarkProps) {
  const [left, top] = [x.at(spot.x), y.at(spot.y)];
  const tone = spot.chosen ? "spot chosen" : spot.front ? "spot on-front" : "spot";
  const rightward = left < middle;
  return (
    <g
      class={tone}
      tabIndex={0}
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
      <text class={rightward ? "spot-name" : "spot-name end"} x={left + (rightward ? 11 : -11)} y={top - 8}>
        {spot.name.length > 32 ? `…${spot.name.slice(-31)}` : spot.name}
      </text>
    </g>
  );
}
