import { figure } from "../lib/numbers";
import type { Scale } from "./scale";

export interface Frame {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

interface Props {
  frame: Frame;
  x: Scale;
  y: Scale;
  xName: string;
  yName: string;
  /** How ticks of the x axis are written. */
  write?: (value: number) => string;
}

/** Two axes with a light grid; names stand at their ends. */
export function Axes({ frame, x, y, xName, yName, write = figure }: Props) {
  return (
    <g class="axes" aria-hidden="true">
      {y.ticks.map((tick) => (
        <g key={tick}>
          <line class="grid" x1={frame.left} x2={frame.right} y1={y.at(tick)} y2={y.at(tick)} />
          <text class="tick end" x={frame.left - 6} y={y.at(tick) + 4}>
            {figure(tick)}
          </text>
        </g>
      ))}
      {x.ticks.map((tick) => (
        <text key={tick} class="tick middle" x={x.at(tick)} y={frame.bottom + 16}>
          {write(tick)}
        </text>
      ))}
      <line class="axis" x1={frame.left} x2={frame.right} y1={frame.bottom} y2={frame.bottom} />
      <text class="name" x={2} y={12}>
        {yName}
      </text>
      <text class="name end" x={frame.right} y={frame.bottom + 32}>
        {xName}
      </text>
    </g>
  );
}
