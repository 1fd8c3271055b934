import { useEffect, useRef, useState } from "preact/hooks";
import { key, keyWanted } from "../lib/api";
import { useWords, words } from "../lib/i18n";
import { useValue } from "../lib/value";
import { Button } from "./button";
import { TextField } from "./field";

const WORDS = words({
  en: {
    title: "API key",
    about: "Only where the server asks for one. It is kept in this tab until it is closed.",
    label: "Key",
    save: "Use it",
    close: "Close",
  },
  zh: {
    title: "API 密钥",
    about: "只有服务器要求时才需要。它只保存在这个标签页里，关闭即忘。",
    label: "密钥",
    save: "使用",
    close: "关闭",
  },
});

/** Asks for the key when the server wants one, or when somebody opens it. */
export function KeyDialog() {
  const t = useWords(WORDS);
  const open = useValue(keyWanted);
  const dialog = useRef<HTMLDialogElement>(null);
  const [text, setText] = useState(key.get());
  useEffect(() => {
    if (open) dialog.current?.showModal();
    else dialog.current?.close();
  }, [open]);
  const save = (event: Event) => {
    event.preventDefault();
    key.set(text.trim());
    keyWanted.set(false);
  };
  return (
    <dialog ref={dialog} aria-label={t.title} onClose={() => keyWanted.set(false)}>
      <form onSubmit={save}>
        <h2>{t.title}</h2>
        <p class="soft">{t.about}</p>
        <TextField label={t.label} type="password" value={text} onInput={setText} />
        <div class="row end">
          <Button onClick={() => keyWanted.set(false)}>{t.close}</Button>
          <Button kind="primary" type="submit">
            {t.save}
          </Button>
        </div>
      </form>
    </dialog>
  );
}
