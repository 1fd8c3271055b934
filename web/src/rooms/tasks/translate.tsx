import { useState } from "preact/hooks";
import { Button } from "../../components/button";
import { TextArea } from "../../components/field";
import { useWords, words } from "../../lib/i18n";
import { sends, useEscape } from "../../lib/keys";
import { useTask, type TaskResult } from "../../lib/task";
import type { PartProps } from "../tasks";
import { Go, Outcome, Sheet } from "./parts";

const WORDS = words({
  en: {
    zh: "Chinese",
    en: "English",
    swap: "Swap the languages",
    go: "Translate",
    from: "Text",
    placeholder: "Write or paste a text. Long ones are translated part by part.",
    nothing: "The translation appears here.",
    result: "Translation",
  },
  zh: {
    zh: "中文",
    en: "英文",
    swap: "交换语言",
    go: "翻译",
    from: "原文",
    placeholder: "写下或粘贴原文。长文会逐段翻译。",
    nothing: "译文显示在这里。",
    result: "译文",
  },
});

type Side = "zh" | "en";
const TAG = { zh: "zh-CN", en: "en" };

export function TranslatePart({ model, active }: PartProps) {
  const t = useWords(WORDS);
  const [from, setFrom] = useState<Side>("zh");
  const [text, setText] = useState("");
  const { work, start, stop, clear, running } = useTask<TaskResult>("translate");
  useEscape(active && running, stop);
  const to = from === "zh" ? "en" : "zh";
  const ready = text.trim() !== "";
  const go = () => void start({ model, text, from, to });
  const swap = () => {
    setFrom(to);
    if (work.text) setText(work.text);
    clear();
  };
  const keyed = (event: KeyboardEvent) => sends(event, false) && ready && go();
  return (
    <div class="stack">
      <div class="sides">
        <div class="side">
          <h2>{t[from]}</h2>
          <TextArea
            quiet
            label={`${t.from} (${t[from]})`}
            placeholder={t.placeholder}
            lang={TAG[from]}
            rows={9}
            value={text}
            onInput={setText}
            onKeyDown={keyed}
          />
        </div>
        <Button kind="plain" icon="swap" label={t.swap} disabled={running} onClick={swap} />
        <div class="side">
          <Sheet title={t[to]} label={t.result} lang={TAG[to]} work={work} nothing={t.nothing} />
        </div>
      </div>
      <div class="row">
        <Go name={t.go} running={running} disabled={!ready} onGo={go} onStop={stop} />
      </div>
      <Outcome work={work} again={go} />
    </div>
  );
}
