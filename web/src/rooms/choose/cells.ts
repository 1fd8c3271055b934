import { bytes, count, figure } from "../../lib/numbers";
import type { Cell, Criterion, Result } from "./types";

/** Figures that quality may be drawn against; the first that is known of two candidates and differs is taken. */
export const AGAINST: readonly Criterion[] = ["cost", "latency", "memory", "parameters", "energy", "speed"];

export function number(cell: Cell | undefined): number | null {
  return typeof cell?.value === "number" ? cell.value : null;
}

/** A figure as people read it. */
export function written(key: string, value: number | null): string {
  if (value === null) return "–";
  if (key === "memory" || key === "disk") return bytes(value);
  if (key === "parameters") return count(value);
  const units: Record<string, string> = { latency: " s", first_token: " s", speed: " tok/s", energy: " J", cost: " USD" };
  return figure(value, 3) + (units[key] ?? "");
}

export function shown(key: string, cell: Cell | undefined): string {
  if (!cell || cell.value === null) return "–";
  if (Array.isArray(cell.value)) return cell.value.join(", ");
  if (typeof cell.value !== "number") return String(cell.value);
  const interval = cell.low !== null && cell.high !== null && key === "quality" ? ` (${figure(cell.low, 3)} … ${figure(cell.high, 3)})` : "";
  const unit = key === "cost" ? ` ${cell.unit.split(" ")[0]}` : null;
  return (unit === null ? written(key, cell.value) : figure(cell.value, 3) + unit) + interval;
}

/** Those that a plot can be drawn against. */
export function axes(result: Result): Criterion[] {
  const raced = Object.values(result.candidates).filter((cells) => number(cells.quality) !== null);
  return AGAINST.filter((key) => {
    const known = raced.map((cells) => number(cells[key])).filter((value) => value !== null);
    return known.length > 1 && new Set(known).size > 1;
  });
}
