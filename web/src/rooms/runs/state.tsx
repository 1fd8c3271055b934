import { useWords } from "../../lib/i18n";
import type { State } from "./types";
import { STATES } from "./words";

const TONES: Record<State, string> = { running: "warn", done: "good", failed: "bad", stopped: "soft", interrupted: "bad" };

export function StateBadge({ state }: { state: State }) {
  const t = useWords(STATES);
  return (
    <span class={`badge ${TONES[state]}`} data-state={state}>
      {t[state]}
    </span>
  );
}
