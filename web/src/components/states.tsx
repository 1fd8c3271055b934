import type { ComponentChildren } from "preact";
import type { ApiError } from "../lib/api";
import { useWords, words } from "../lib/i18n";
import { Button } from "./button";

const WORDS = words({ en: { loading: "Loading…", again: "Try again" }, zh: { loading: "载入中……", again: "重试" } });

/** Nothing here yet, and what to do about it. */
export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="state empty">
      <p class="state-title">{title}</p>
      {children && <div class="soft">{children}</div>}
    </div>
  );
}

export function Loading({ text }: { text?: string }) {
  const t = useWords(WORDS);
  return (
    <p class="state loading soft" role="status">
      <span class="dots" aria-hidden="true" />
      {text ?? t.loading}
    </p>
  );
}

/** What went wrong, the hint, and a way to try again where there is one. */
export function Failure({ error, again }: { error: ApiError; again?: () => void }) {
  const t = useWords(WORDS);
  return (
    <div class="state failure" role="alert">
      <p class="bad">{error.message}</p>
      {error.hint && <p class="soft">{error.hint}</p>}
      {again && (
        <Button icon="again" onClick={again}>
          {t.again}
        </Button>
      )}
    </div>
  );
}
