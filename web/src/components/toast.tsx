import { value, useValue } from "../lib/value";

interface Toast {
  id: number;
  text: string;
}

const SECONDS = 4;
const shown = value<Toast[]>([]);
let last = 0;

/** A short message that goes away by itself: for what worked, never for a failure. */
export function toast(text: string): void {
  const one = { id: ++last, text };
  shown.set([...shown.get(), one]);
  setTimeout(() => shown.set(shown.get().filter((other) => other !== one)), SECONDS * 1000);
}

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {useValue(shown).map((one) => (
        <p key={one.id}>{one.text}</p>
      ))}
    </div>
  );
}
