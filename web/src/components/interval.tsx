interface Props {
  value: number;
  low: number;
  high: number;
  /** Both ends of the axis. */
  from?: number;
  to?: number;
  /** A line to compare with: chance, one half. */
  mark?: number;
  /** What the drawing says, for who cannot see it. */
  label: string;
}

/** A value with its interval on an axis; all of a table share the axis, so that they can be compared by eye. */
export function Interval({ value, low, high, from = 0, to = 1, mark, label }: Props) {
  const x = (at: number) => 2 + (96 * (Math.min(Math.max(at, from), to) - from)) / (to - from || 1);
  return (
    <svg class="interval" viewBox="0 0 100 12" preserveAspectRatio="none" role="img" aria-label={label}>
      <line class="axis" x1="2" x2="98" y1="6" y2="6" />
      {mark !== undefined && <line class="mark" x1={x(mark)} x2={x(mark)} y1="0" y2="12" />}
      <line class="span" x1={x(low)} x2={x(high)} y1="6" y2="6" />
      <line class="dot" x1={x(value)} x2={x(value)} y1="1.5" y2="10.5" />
    </svg>
  );
}
