import { useId, useState } from "preact/hooks";
import { useWords, words } from "../lib/i18n";
import { Icon } from "./icon";

const WORDS = words({
  en: { drop: "Drop a file here, or choose one" },
  zh: { drop: "把文件拖到这里，或点此选择" },
});

interface Props {
  /** Endings or types, as the `accept` attribute takes them. */
  accept?: string;
  /** One line under the invitation. */
  hint?: string;
  title?: string;
  onFile: (file: File) => void;
}

/** A place for a file: dropped, chosen, or reached by keyboard. */
export function FileDrop({ accept, hint, title, onFile }: Props) {
  const t = useWords(WORDS);
  const id = useId();
  const [over, setOver] = useState(false);
  const take = (files: FileList | null | undefined) => files?.[0] && onFile(files[0]);
  const hold = (event: DragEvent, now: boolean) => (event.preventDefault(), setOver(now));
  return (
    <label
      for={id}
      class={over ? "drop over" : "drop"}
      onDragOver={(event) => hold(event, true)}
      onDragLeave={(event) => hold(event, false)}
      onDrop={(event) => (hold(event, false), take(event.dataTransfer?.files))}
    >
      <Icon name="file" />
      <span>{title ?? t.drop}</span>
      {hint && <span class="soft">{hint}</span>}
      <input
        id={id}
        class="unseen"
        type="file"
        accept={accept}
        onChange={(event) => {
          take(event.currentTarget.files);
          event.currentTarget.value = ""; // the same file may be chosen again
        }}
      />
    </label>
  );
}
