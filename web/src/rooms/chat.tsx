import { useState } from "preact/hooks";
import { Button } from "../components/button";
import { ModelPicker } from "../components/model";
import { Empty } from "../components/states";
import { useWords } from "../lib/i18n";
import { useEscape } from "../lib/keys";
import { Composer } from "./chat/composer";
import { useConversation } from "./chat/conversation";
import { Panel } from "./chat/panel";
import { useFollowing } from "./chat/following";
import { LiveTurn, Turn } from "./chat/turn";
import { WORDS } from "./chat/words";
import type { RoomProps } from "./room";
import "./chat/chat.css";

export function Chat({ active }: RoomProps) {
  const t = useWords(WORDS);
  const talk = useConversation();
  const [panel, setPanel] = useState(false);
  useFollowing(active && talk.running, active ? talk.answer.text : "", talk.turns.length);
  useEscape(active && talk.running, talk.stop);
  const last = talk.turns.length - 1;
  const unanswered = !talk.running && talk.answer.state !== "failed"; // a failure has a button of its own
  const lastAsked = talk.turns.findLastIndex((turn) => turn.role === "user");
  return (
    <div class="chat">
      <div class="chat-top">
        <ModelPicker quiet value={talk.settings.model} onChange={(model) => talk.change({ model })} />
        <Button
          icon="tune"
          label={t.settings}
          expanded={panel}
          controls="chat-panel"
          onClick={() => setPanel(!panel)}
        />
        <Button icon="plus" label={t.fresh} disabled={!talk.turns.length} onClick={talk.forget} />
      </div>
      {panel && <Panel settings={talk.settings} onChange={talk.change} />}
      <ol class="turns" aria-label={t.conversation} aria-live="polite">
        {talk.turns.map((turn, index) => (
          <Turn
            key={index}
            turn={turn}
            onEdit={index === lastAsked && !talk.running ? talk.rewrite : undefined}
            onAgain={index === last && (turn.role === "assistant" || unanswered) ? talk.again : undefined}
          />
        ))}
        {talk.answer.state !== "none" && (
          <LiveTurn answer={talk.answer} model={talk.writer} again={talk.again} />
        )}
      </ol>
      {!talk.turns.length && talk.answer.state === "none" && (
        <Empty title={t.empty}>
          <div class="starters">
            {t.starters.map((text) => (
              <Button key={text} onClick={() => talk.say(text)}>
                {text}
              </Button>
            ))}
          </div>
        </Empty>
      )}
      <Composer running={talk.running} onSend={talk.say} onStop={talk.stop} active={active} />
    </div>
  );
}
