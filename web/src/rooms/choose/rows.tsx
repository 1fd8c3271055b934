import { useState } from "preact/hooks";
import { Button } from "../../components/button";
import { FileDrop } from "../../components/drop";
import { TextArea } from "../../components/field";
import { useWords } from "../../lib/i18n";
import { bytes } from "../../lib/numbers";
import type { Part } from "./form";
import { WORDS } from "./words";

const MOST = 4 << 20;
const PASTED = "rows.jsonl";

/** The user's rows: a file of theirs, or lines pasted. */
export function RowFields({ form, set }: Part) {
  const t = useWords(WORDS);
  const [fault, setFault] = useState("");
  const fromFile = form.text !== "" && form.text_name !== PASTED;
  const take = async (file: File) => {
    if (file.size > MOST) return setFault(t.tooLarge(file.name));
    setFault("");
    return set({ text: await file.text(), text_name: file.name });
  };
  return (
    <fieldset class="card">
      <legend class="unseen">{t.rows}</legend>
      <h2>{t.rows}</h2>
      {fromFile ? (
        <p class="row apart" data-rows={form.text_name}>
          {t.taken(form.text_name, bytes(form.text.length))}
          <Button icon="close" onClick={() => set({ text: "", text_name: PASTED })}>
            {t.remove}
          </Button>
        </p>
      ) : (
        <>
          <FileDrop title={t.drop} hint={t.endings} accept=".jsonl,.json,.csv,.tsv" onFile={(file) => void take(file)} />
          <TextArea label={t.paste} rows={3} value={form.text} placeholder={'{"en": "Hello", "zh": "你好"}'} onInput={(text) => set({ text, text_name: PASTED })} />
        </>
      )}
      {fault && (
        <p class="bad small" role="alert">
          {fault}
        </p>
      )}
    </fieldset>
  );
}
