import { Failure, Loading } from "../../components/states";
import { Usage } from "../../components/usage";
import type { Answer } from "../../lib/answer";
import { useWords } from "../../lib/i18n";
import { Markdown } from "../../components/markdown";
import { WORDS } from "./words";

interface Props {
  name: string;
  answer: Answer;
  /** Set once the vote is cast; so is what the answer took, which would give the model away. */
  model: string | null;
  won: boolean;
}

export function Side({ name, answer, model, won }: Props) {
  const t = useWords(WORDS);
  return (
    <section
      class={won ? "card answer-side won" : "card answer-side"}
      aria-label={name}
      aria-busy={answer.state === "running"}
    >
      <header class="row apart">
        <h2>{name}</h2>
        {model && <span class="revealed">{model}</span>}
      </header>
      {answer.text && <Markdown text={answer.text} />}
      {answer.state === "running" && !answer.text && <Loading text={t.waiting} />}
      {answer.state === "done" && !answer.text.trim() && <p class="soft">{t.nothing}</p>}
      {answer.state === "stopped" && <p class="warn small">{t.stopped}</p>}
      {answer.error && <Failure error={answer.error} />}
      {model && answer.spent && <Usage spent={answer.spent} />}
    </section>
  );
}
