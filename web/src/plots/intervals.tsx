import { figure } from "../lib/numbers";
import { around, linear } from "./scale";

/** A figure with its interval. `remark` stands behind the value; `strong` sets it apart. */
export interface Bar {
  id: string;
  name: string;
  value: number;
  low: number | null;
  high: number | null;
  chance?: number | null;
  remark?: string;
  strong?: boolean;
  title?: string;
}

interface Props {
  bars: readonly Bar[];
  label: string;
  /** Ends of the axis; as the figures need it where none are given. */
  ends?: [number, number];
  chanceName: string;
}

/** One line for each figure: a dot on its interval, and a tick where guessing would be. Places are percentages, so it fits any width. */
export function Intervals({ bars, label, ends, chanceName }: Props) {
  const scale = linear(ends ?? endsOf(bars), [2, 98], 5);
  const at = (value: number) => `${scale.at(value).toFixed(2)}%`;
  return (
    <div class="intervals" role="list" aria-label={label}>
      {bars.map((bar) => (
        <div key={bar.id} role="listitem" class={bar.strong ? "ivl strong" : "ivl"} title={bar.title}>
          <span class="ivl-name">
            {bar.name}
          </span>
          <svg class="strip" aria-hidden="true">
            {scale.ticks.map((tick) => (
              <line key={tick} class="grid" x1={at(tick)} x2={at(tick)} y1="0" y2="100%" />
            ))}
            {bar.chance != null && <line class="chance" x1={at(bar.chance)} x2={at(bar.chance)} y1="15%" y2="85%" />}
            {bar.low !== null && bar.high !== null && (
              <line class="whisker" x1={at(bar.low)} x2={at(bar.high)} y1="50%" y2="50%" />
            )}
            <circle cx={at(bar.value)} cy="50%" r="5" />
          </svg>
          <span class="ivl-value n">
            <b>{figure(bar.value)}</b>
            {bar.low !== null && bar.high !== null && (
              <span class="soft small">
                {" "}
                {figure(bar.low, 3)} … {figure(bar.high, 3)}
              </span>
            )}
            {bar.remark && <span class="small"> {bar.remark}</span>}
          </span>
        </div>
      ))}
      <div class="ivl scale" aria-hidden="true">
        <span class="ivl-name soft small">{bars.some((bar) => bar.chance != null) ? chanceName : ""}</span>
        <svg class="strip">
          {scale.ticks.map((tick) => (
            <text key={tick} class="tick middle" x={at(tick)} y="14">
              {figure(tick)}
            </text>
          ))}
        </svg>
        <span class="ivl-value" />
      </div>
    </div>
  );
}

function endsOf(bars: readonly Bar[]): [number, number] {
  const found = bars.flatMap((bar) => [bar.value, bar.low, bar.high, bar.chance]).filter((v): v is number => v != null);
  const [low, high] = around(found);
  return [Math.min(...found) >= 0 ? Math.max(0, low) : low, high];
}
