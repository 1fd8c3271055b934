import { language } from "./i18n";

const DASH = "–";

/** A figure with at most four digits that count; a dash where there is none. */
export function figure(value: number | null | undefined, digits = 4): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return DASH;
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e6 || size < 1e-4)) return value.toExponential(2);
  return new Intl.NumberFormat("en-US", { maximumSignificantDigits: size >= 1000 ? 6 : digits }).format(value);
}

export function whole(value: number | null | undefined): string {
  return value === null || value === undefined ? DASH : Math.round(value).toLocaleString("en-US");
}

/** Bytes in thousands: `335.9 MB`. */
export function bytes(value: number | null | undefined): string {
  return value === null || value === undefined ? DASH : scaled(value, ["B", "kB", "MB", "GB", "TB"]);
}

/** Parameters: `8.0 M`. */
export function count(value: number | null | undefined): string {
  return value === null || value === undefined ? DASH : scaled(value, ["", "K", "M", "B", "T"]);
}

/** Joules as watt-hours, the unit of a bill, once there are enough of them. */
export function energy(joules: number | null | undefined): string {
  if (joules === null || joules === undefined) return DASH;
  return joules < 360 ? `${figure(joules, 3)} J` : `${figure(joules / 3600, 3)} Wh`;
}

export function percent(share: number): string {
  return `${figure(100 * share, 3)} %`;
}

/** `4.2 s`, `3:05`, `2:03:05`. */
export function duration(seconds: number): string {
  if (seconds < 60) return `${figure(seconds, 2)} s`;
  const all = Math.round(seconds);
  const two = (part: number) => String(part).padStart(2, "0");
  const [hours, minutes] = [Math.floor(all / 3600), Math.floor(all / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(all % 60)}` : `${minutes}:${two(all % 60)}`;
}

/** A moment, given in seconds since 1970, as the reader's clock shows it. */
export function moment(seconds: number): string {
  const tag = language.get() === "zh" ? "zh-CN" : "en-GB";
  return new Date(seconds * 1000).toLocaleString(tag, { dateStyle: "medium", timeStyle: "short" });
}

function scaled(value: number, units: readonly string[]): string {
  let [left, place] = [value, 0];
  while (Math.abs(left) >= 1000 && place < units.length - 1) [left, place] = [left / 1000, place + 1];
  return `${figure(left, 3)} ${units[place]}`.trim();
}
