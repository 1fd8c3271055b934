import { useState } from "preact/hooks";
import { FileDrop } from "../../components/drop";
import { TextArea } from "../../components/field";
import { Failure } from "../../components/states";
import { useNumber } from "../../components/usage";
import { ApiError } from "../../lib/api";
import { textOf } from "../../lib/files";
import { say, useWords, words } from "../../lib/i18n";
import { sends, useEscape } from "../../lib/keys";
import { useTask, type TaskResult } from "../../lib/task";
import type { PartProps } from "../tasks";
import { Go, Outcome, Sheet } from "./parts";

const WORDS = words({
  en: {
    drop: "Drop a .txt or .md file here, or choose one",
    text: "Text",
    placeholder: "…or paste a text. A long one is summarized part by part, then merged.",
    go: "Summarize",
    summary: "Summary",
    nothing: "The summary appears here.",
    letters: (n: string) => `${n} characters`,
    from: (name: string, n: string) => `${name}, ${n} characters`,
    large: (name: string) => `${name} is larger than 4 MB.`,
    largeHint: "Split it, or use `sibao summarize FILE` on the command line.",
  },
  zh: {
    drop: "把 .txt 或 .md 文件拖到这里，或点此选择",
    text: "原文",
    placeholder: "……或粘贴原文。长文会逐段摘要，再合并。",
    go: "摘要",
    summary: "摘要",
    nothing: "摘要显示在这里。",
    letters: (n: string) => `${n} 字`,
    from: (name: string, n: string) => `${name}，${n} 字`,
    large: (name: string) => `${name} 超过 4 MB。`,
    largeHint: "请拆分，或在命令行用 `sibao summarize FILE`。",
  },
});
const MOST_BYTES = 4 << 20; // below the server's own limit of a body, quotes and escapes included

export function SummarizePart({ model, active }: PartProps) {
  const t = useWords(WORDS);
  const number = useNumber();
  const [text, setText] = useState("");
  const [name, setName] = useState("");
  const [refused, setRefused] = useState<ApiError | null>(null);
  const { work, start, stop, running } = useTask<TaskResult>("summarize");
  useEscape(active && running, stop);
  const ready = text.trim() !== "";
  const go = () => void start({ model, text });
  const take = (file: File) =>
    read(file).then(
      (found) => (setText(found), setName(file.name), setRefused(null)),
      (fault: ApiError) => setRefused(fault),
    );
  const size = number([...text].length);
  return (
    <div class="two">
      <div class="stack">
        <FileDrop
          accept=".txt,.md,.markdown,text/plain,text/markdown"
          title={t.drop}
          onFile={(file) => void take(file)}
        />
        {refused && <Failure error={refused} />}
        <TextArea
          label={t.text}
          placeholder={t.placeholder}
          hint={text && (name ? t.from(name, size) : t.letters(size))}
          rows={10}
          value={text}
          onInput={(next) => (setText(next), setName(""))}
          onKeyDown={(event) => sends(event, false) && ready && go()}
        />
        <div class="row">
          <Go name={t.go} running={running} disabled={!ready} onGo={go} onStop={stop} />
        </div>
      </div>
      <div class="stack">
        <Sheet title={t.summary} work={work} nothing={t.nothing} />
        <Outcome work={work} again={go} />
      </div>
    </div>
  );
}

/** The text of a file. Throws `ApiError`: too large, or not UTF-8. */
async function read(file: File): Promise<string> {
  const t = say(WORDS);
  if (file.size > MOST_BYTES) throw new ApiError(t.large(file.name), t.largeHint);
  return textOf(file);
}
