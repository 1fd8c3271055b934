import { TextArea } from "../../components/field";
import { SamplingFields } from "../../components/sampling";
import { useWords } from "../../lib/i18n";
import type { ChatSettings } from "./conversation";
import { WORDS } from "./words";

interface Props {
  settings: ChatSettings;
  onChange: (part: Partial<ChatSettings>) => void;
}

export function Panel({ settings, onChange }: Props) {
  const t = useWords(WORDS);
  return (
    <div id="chat-panel" class="card stack">
      <TextArea
        label={t.system}
        placeholder={t.systemPlace}
        rows={2}
        value={settings.system}
        onInput={(system) => onChange({ system })}
      />
      <SamplingFields value={settings} onChange={onChange} />
    </div>
  );
}
