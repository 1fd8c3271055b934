import type { Sampling } from "../lib/answer";
import { useWords, words } from "../lib/i18n";
import { NumberField } from "./field";

const WORDS = words({
  en: {
    temperature: "Temperature",
    temperatureHint: "0 always takes the likeliest",
    tokens: "Most new tokens",
    seed: "Seed",
    seedHint: "the same seed, the same answer",
    usual: "usual",
    random: "random",
  },
  zh: {
    temperature: "温度",
    temperatureHint: "0 总取最可能的",
    tokens: "新词元上限",
    seed: "随机种子",
    seedHint: "种子相同，回答相同",
    usual: "默认",
    random: "随机",
  },
});

export const USUAL: Sampling = { temperature: null, max_tokens: null, seed: null };

/** The numbers of sampling; an empty field is the server's own choice. */
export function SamplingFields({ value, onChange }: { value: Sampling; onChange: (value: Sampling) => void }) {
  const t = useWords(WORDS);
  const set = (part: Partial<Sampling>) => onChange({ ...value, ...part });
  return (
    <div class="sampling">
      <NumberField
        label={t.temperature}
        hint={t.temperatureHint}
        placeholder={t.usual}
        value={value.temperature}
        min={0}
        max={2}
        step={0.1}
        onInput={(temperature) => set({ temperature })}
      />
      <NumberField
        label={t.tokens}
        placeholder={t.usual}
        value={value.max_tokens}
        min={1}
        step={1}
        onInput={(max_tokens) => set({ max_tokens })}
      />
      <NumberField
        label={t.seed}
        hint={t.seedHint}
        placeholder={t.random}
        value={value.seed}
        step={1}
        onInput={(seed) => set({ seed })}
      />
    </div>
  );
}
