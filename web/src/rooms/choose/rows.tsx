import { useMemo, useState } from "preact/hooks";
import { Button } from "../../components/button";
import { FileDrop } from "../../components/drop";
import { TextArea } from "../../components/field";
import { Failure } from "../../components/states";
import { ApiError } from "../../lib/api";
import { textOf } from "../../lib/files";
import { say, useWords } from "../../lib/i18n";
import { bytes } from "../../lib/numbers";
import type { Part } from "./form";
import { WORDS } from "./words";

const MOST = 4 << 20;
const PASTED = "rows.jsonl";
const ENDINGS = [".jsonl", ".json", ".csv", ".tsv"];

/** The user's rows: a file of theirs, or lines pasted. */
export function RowFields({ form, set }: Part) {
  const t = useWords(WORDS);
  const [fault, setFault] = useState<ApiError | null>(null);
  const fromFile = form.text !== "" && form.text_name !== PASTED;
  const size = useMemo(() => (fromFile ? new Blob([form.text]).size : 0), [fromFile, form.text]);
  const take = (file: File) =>
    read(file).then(
      (text) => (set({ text, text_name: file.name }), setFault(null)),
      (refused: ApiError) => setFault(refused),
    );
  return (
    <fieldset class="card">
      <legend class="unseen">{t.rows}</legend>
      <h2>{t.rows}</h2>
      {fromFile ? (
        <p class="row apart" data-rows={form.text_name}>
          {t.taken(form.text_name, bytes(size))}
          <Button icon="close" onClick={() => set({ text: "", text_name: PASTED })}>
            {t.remove}
          </Button>
        </p>
      ) : (
        <>
          <FileDrop title={t.drop} hint={t.endings} accept={ENDINGS.join(",")} onFile={(file) => void take(file)} />
          <TextArea
            label={t.paste}
            rows={3}
            value={form.text}
            placeholder={'{"en": "Hello", "zh": "你好"}'}
            onInput={(text) => (set({ text, text_name: PASTED }), setFault(null))}
          />
        </>
      )}
      {fault && <Failure error={fault} />}
    </fieldset>
  );
}

/** The rows of a file. Throws `ApiError`: of another kind, too large, empty, or not UTF-8. */
async function read(file: File): Promise<string> {
  const t = say(WORDS);
  const name = file.name.toLowerCase();
  if (!ENDINGS.some((ending) => name.endsWith(ending))) throw new ApiError(t.otherKind(file.name), t.otherKindHint);
  if (file.size > MOST) throw new ApiError(t.tooLarge(file.name));
  if (!file.size) throw new ApiError(t.hollow(file.name));
  return textOf(file);
}
