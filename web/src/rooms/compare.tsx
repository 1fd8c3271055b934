import { useState } from "preact/hooks";
import { Button } from "../components/button";
import { TextArea } from "../components/field";
import { ModelPicker } from "../components/model";
import { SamplingFields, USUAL } from "../components/sampling";
import { Empty } from "../components/states";
import { useWords } from "../lib/i18n";
import { sends, useEscape, useSingle } from "../lib/keys";
import { status } from "../lib/status";
import { useValue } from "../lib/value";
import { Ballot } from "./compare/ballot";
import { Side } from "./compare/side";
import { StandingsView, useStandings } from "./compare/standings";
import { useMatch } from "./compare/match";
import { WORDS } from "./compare/words";
import type { RoomProps } from "./room";
import "./compare/compare.css";

export function Compare({ active }: RoomProps) {
  const t = useWords(WORDS);
  const known = useValue(status);
  const [first, setFirst] = useState("");
  const [second, setSecond] = useState("");
  const [prompt, setPrompt] = useState("");
  const [sampling, setSampling] = useState(USUAL);
  const standings = useStandings(active);
  const match = useMatch(standings.again);
  const single = useSingle();
  useEscape(active && match.running, match.stop);
  if (known && known.models.length < 2)
    return (
      <div class="stack">
        <Empty title={t.two}>
          <p>{t.twoHint}</p>
          <pre tabIndex={0}>sibao serve --model mini --model ORG/NAME</pre>
        </Empty>
        <StandingsView {...standings} />
      </div>
    );
  const ready = prompt.trim() !== "" && first !== "" && second !== "" && first !== second && !match.casting;
  const go = () => match.start([first, second], prompt, sampling);
  const keyed = (event: KeyboardEvent) => {
    if (!sends(event) || !ready || match.running) return;
    event.preventDefault();
    go();
  };
  return (
    <div class="stack compare">
      <div class="pair">
        <ModelPicker label={t.first} value={first} onChange={setFirst} />
        <ModelPicker label={t.second} value={second} onChange={setSecond} place={1} />
      </div>
      {first !== "" && first === second && <p class="warn small">{t.same}</p>}
      <TextArea
        label={t.prompt}
        placeholder={t.placeholder}
        rows={3}
        value={prompt}
        onInput={setPrompt}
        onKeyDown={keyed}
      />
      <details>
        <summary>{t.settings}</summary>
        <SamplingFields value={sampling} onChange={setSampling} />
      </details>
      <div class="row">
        {match.running ? (
          <Button kind="danger" icon="stop" onClick={single(match.stop)}>
            {t.stop}
          </Button>
        ) : (
          <Button kind="primary" disabled={!ready} onClick={single(go)}>
            {t.go}
          </Button>
        )}
        <span class="soft small">{t.hidden}</span>
      </div>
      {match.round && (
        <>
          <div class="two" aria-live="polite">
            <Side
              name={t.left}
              answer={match.left}
              model={match.vote ? match.round.left : null}
              won={match.vote === "left"}
            />
            <Side
              name={t.right}
              answer={match.right}
              model={match.vote ? match.round.right : null}
              won={match.vote === "right"}
            />
          </div>
          <Ballot match={match} />
        </>
      )}
      <StandingsView {...standings} />
    </div>
  );
}
