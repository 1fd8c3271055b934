import { useEffect, useId, useRef, useState } from "preact/hooks";
import { useWords, words } from "../lib/i18n";
import { Icon } from "./icon";
import { toast } from "./toast";

const WORDS = words({
  en: {
    drop: "Drop a file here, or choose one",
    first: (name: string, all: number) => `Of ${all} files only ${name} was taken.`,
  },
  zh: {
    drop: "把文件拖到这里，或点此选择",
    first: (name: string, all: number) => `${all} 个文件中只取了 ${name}。`,
  },
});

interface Props {
  /** Endings or types, as the `accept` attribute takes them. */
  accept?: string;
  /** One line under the invitation. */
  hint?: string;
  title?: string;
  onFile: (file: File) => void;
}

const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") ?? false;

// A file let go beside its place, or where there is none, would otherwise be opened by the browser instead of the page.
addEventListener("drop", (event) => hasFiles(event) && event.preventDefault());
addEventListener("dragover", (event) => {
  if (!hasFiles(event) || !event.dataTransfer) return;
  event.preventDefault();
  event.dataTransfer.dropEffect = "none";
});

/** A place for a file: dropped anywhere in the window while it is on the screen, chosen, or reached by keyboard. */
export function FileDrop({ accept, hint, title, onFile }: Props) {
  const t = useWords(WORDS);
  const id = useId();
  const place = useRef<HTMLLabelElement>(null);
  const [over, setOver] = useState(false);
  const take = (files: FileList | null | undefined) => {
    const [first, ...others] = files ?? [];
    if (first) onFile(first);
    if (first && others.length) toast(t.first(first.name, others.length + 1));
  };
  useEffect(() => {
    const shown = () => !!place.current?.getClientRects().length; // rooms that are not shown stay drawn
    const mine = (event: DragEvent) => hasFiles(event) && shown();
    const heard = {
      dragover: (event: DragEvent) => {
        if (!mine(event) || !event.dataTransfer) return;
        event.dataTransfer.dropEffect = "copy";
        setOver(true);
      },
      dragleave: (event: DragEvent) => event.relatedTarget === null && setOver(false), // it has left the window
      drop: (event: DragEvent) => {
        setOver(false);
        if (mine(event)) take(event.dataTransfer?.files);
      },
    };
    for (const [kind, work] of Object.entries(heard)) addEventListener(kind, work as EventListener);
    return () => {
      for (const [kind, work] of Object.entries(heard)) removeEventListener(kind, work as EventListener);
    };
  });
  return (
    <label ref={place} for={id} class={over ? "drop over" : "drop"}>
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
