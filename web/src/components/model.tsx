import { useEffect } from "preact/hooks";
import { useWords, words } from "../lib/i18n";
import { status, type ModelInfo } from "../lib/status";
import { useValue } from "../lib/value";
import { Select } from "./field";

const WORDS = words({ en: { model: "Model", resting: "not loaded" }, zh: { model: "模型", resting: "未载入" } });

interface Props {
  value: string;
  onChange: (id: string) => void;
  label?: string;
  quiet?: boolean;
  /** Which models are offered; all by default. */
  only?: (model: ModelInfo) => boolean;
  /** The place in the list that is taken at first, where the list is that long. */
  place?: number;
}

/** One of the server's models. Takes a first one by itself: the server's default, or the one at `place`. */
export function ModelPicker({ value, onChange, label, quiet, only, place = 0 }: Props) {
  const t = useWords(WORDS);
  const known = useValue(status);
  const models = (known?.models ?? []).filter(only ?? (() => true));
  const start = place
    ? (models[place] ?? models[0])
    : (models.find((one) => one.id === known?.default_model) ?? models[0]);
  useEffect(() => {
    if (start && !models.some((one) => one.id === value)) onChange(start.id);
  }, [start?.id, value]);
  const options = models.map((one) => ({ value: one.id, label: one.loaded ? one.id : `${one.id} (${t.resting})` }));
  return <Select label={label ?? t.model} quiet={quiet} value={value} onChange={onChange} options={options} />;
}
