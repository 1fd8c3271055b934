import { useState } from "preact/hooks";
import { ModelPicker } from "../components/model";
import { Tabs } from "../components/tabs";
import { useWords } from "../lib/i18n";
import type { RoomProps } from "./room";
import { AnswerPart } from "./tasks/answer";
import { SummarizePart } from "./tasks/summarize";
import { TranslatePart } from "./tasks/translate";
import { WORDS } from "./tasks/words";
import { WritePart } from "./tasks/write";
import "./tasks/tasks.css";

/** What a part of the room gets: the model, and whether it is on the screen. */
export interface PartProps {
  model: string;
  active: boolean;
}

const PARTS = { translate: TranslatePart, answer: AnswerPart, summarize: SummarizePart, write: WritePart };
type PartId = keyof typeof PARTS;
const IDS = Object.keys(PARTS) as PartId[];

export function Tasks({ active, path }: RoomProps) {
  const t = useWords(WORDS);
  const [model, setModel] = useState("");
  const [last, setLast] = useState<PartId>("translate");
  const asked = IDS.find((id) => id === path[0]);
  if (asked && asked !== last) setLast(asked);
  return (
    <div class="tasks">
      <Tabs room="tasks" label={t.tasks} tabs={IDS.map((id) => ({ id, name: t[id] }))} current={last} />
      <div class="task-model">
        <ModelPicker value={model} onChange={setModel} />
      </div>
      {IDS.map((id) => {
        const Part = PARTS[id];
        return (
          <div key={id} hidden={id !== last} data-part={id}>
            <Part model={model} active={active && id === last} />
          </div>
        );
      })}
    </div>
  );
}
