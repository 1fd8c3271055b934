import type { Spent } from "../lib/answer";
import { language, useWords, words } from "../lib/i18n";
import { useValue } from "../lib/value";

const WORDS = words({
  en: {
    tokens: (n: string) => `${n} tokens`,
    prompt: (n: string) => `prompt ${n}`,
    seconds: (s: string) => `${s} s`,
    speed: (n: string) => `${n} tokens/s`,
    first: (s: string) => `first after ${s} s`,
    length: "stopped at the limit of new tokens",
  },
  zh: {
    tokens: (n: string) => `${n} 个词元`,
    prompt: (n: string) => `提示 ${n}`,
    seconds: (s: string) => `${s} 秒`,
    speed: (n: string) => `${n} 词元/秒`,
    first: (s: string) => `首个用时 ${s} 秒`,
    length: "到达新词元上限而停止",
  },
});

/** What an answer took, in one line. */
export function Usage({ spent }: { spent: Spent }) {
  const t = useWords(WORDS);
  const round = useNumber();
  const writing = spent.first === null ? 0 : spent.seconds - spent.first;
  const known = spent.completion !== null && spent.completion > 1 && writing > 0.01;
  const parts = [
    spent.completion !== null && t.tokens(round(spent.completion)),
    spent.prompt !== null && t.prompt(round(spent.prompt)),
    t.seconds(round(spent.seconds)),
    spent.first !== null && t.first(round(spent.first)),
    known && t.speed(round(((spent.completion ?? 1) - 1) / writing)),
  ].filter(Boolean);
  return (
    <p class="usage soft n">
      {parts.join(" · ")}
      {spent.finish === "length" && <span class="warn"> · {t.length}</span>}
    </p>
  );
}

/** Numbers with two or three digits that matter, as the language writes them. */
export function useNumber(): (value: number) => string {
  const tag = useValue(language);
  return (value) =>
    value.toLocaleString(
      tag,
      value < 100 ? { maximumSignificantDigits: value < 1 ? 2 : 3 } : { maximumFractionDigits: 0 },
    );
}
