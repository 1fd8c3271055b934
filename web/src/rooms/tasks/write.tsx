import { useState } from "preact/hooks";
import { Select, TextArea } from "../../components/field";
import { SamplingFields, USUAL } from "../../components/sampling";
import { useAsk } from "../../lib/ask";
import { useWords, words } from "../../lib/i18n";
import { sends, useEscape } from "../../lib/keys";
import { useTask, type TaskResult } from "../../lib/task";
import type { PartProps } from "../tasks";
import { Go, Outcome, Sheet } from "./parts";

const WORDS = words({
  en: {
    form: "Form",
    text: "free text",
    style: "Style",
    any: "any",
    prompt: "What about",
    placeholder: "A subject, a beginning, an instruction…",
    go: "Write",
    result: "Text",
    nothing: "The text appears here.",
    poem: "poem",
    story: "story",
    script: "dialogue",
    code: "code",
    music: "tune (ABC)",
  },
  zh: {
    form: "体裁",
    text: "不限",
    style: "样式",
    any: "不限",
    prompt: "写什么",
    placeholder: "题目、开头，或一句要求……",
    go: "写作",
    result: "文本",
    nothing: "文本显示在这里。",
    poem: "诗",
    story: "故事",
    script: "对白",
    code: "代码",
    music: "乐曲（ABC）",
  },
});

interface Form {
  name: string;
  styles: string[];
}

export function WritePart({ model, active }: PartProps) {
  const t = useWords(WORDS);
  const forms = useAsk<{ forms: Form[] }>("/api/forms", active).found?.forms ?? []; // without them there is still free text
  const [form, setForm] = useState("");
  const [style, setStyle] = useState("");
  const [prompt, setPrompt] = useState("");
  const [sampling, setSampling] = useState(USUAL);
  const { work, start, stop, running } = useTask<TaskResult>("generate");
  useEscape(active && running, stop);
  const ready = prompt.trim() !== "";
  const go = () => void start({ model, prompt, form, style, ...sampling });
  const styles = forms.find((one) => one.name === form)?.styles ?? [];
  const named = (name: string) => (name in t ? String(t[name as keyof typeof t]) : name);
  return (
    <div class="two">
      <div class="stack">
        <div class="pair">
          <Select
            label={t.form}
            value={form}
            onChange={(next) => (setForm(next), setStyle(""))}
            options={[
              { value: "", label: t.text },
              ...forms.map((one) => ({ value: one.name, label: named(one.name) })),
            ]}
          />
          <Select
            label={t.style}
            value={style}
            disabled={!styles.length}
            onChange={setStyle}
            options={[{ value: "", label: t.any }, ...styles.map((one) => ({ value: one, label: one }))]}
          />
        </div>
        <TextArea
          label={t.prompt}
          placeholder={t.placeholder}
          rows={4}
          value={prompt}
          onInput={setPrompt}
          onKeyDown={(event) => sends(event, false) && ready && go()}
        />
        <SamplingFields value={sampling} onChange={setSampling} />
        <div class="row">
          <Go name={t.go} running={running} disabled={!ready} onGo={go} onStop={stop} />
        </div>
      </div>
      <div class="stack">
        <Sheet title={t.result} work={work} nothing={t.nothing} mono={form === "code" || form === "music"} />
        <Outcome work={work} again={go} />
      </div>
    </div>
  );
}
