/** From values to places on an axis, with ticks at round numbers. */
export interface Scale {
  at: (value: number) => number;
  ticks: number[];
}

/** Room at the ends, and a span where all values are the same. */
export function around(values: readonly number[], share = 0.08): [number, number] {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = (high - low || Math.abs(high) || 1) * share;
  return [low - room, high + room];
}

export function linear([low, high]: [number, number], [from, to]: [number, number], ticks = 5): Scale {
  const at = (value: number) => from + ((value - low) / (high - low)) * (to - from);
  return { at, ticks: round(low, high, ticks) };
}

/** Multiples of 1, 2 or 5 times a power of ten that lie between two numbers. */
function round(low: number, high: number, wanted: number): number[] {
  const rough = (high - low) / Math.max(1, wanted);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((one) => one * power >= rough) ?? 10) * power;
  const found = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + step * 1e-9; n++) found.push(Number((n * step).toPrecision(12)));
  return found;
}
