import { Tabs } from "../components/tabs";
import { useWords, words } from "../lib/i18n";
import { Boards } from "./scorecards/boards";
import { Cards } from "./scorecards/cards";
import type { RoomProps } from "./room";

const WORDS = words({
  en: { parts: "Parts", cards: "Scorecards", board: "Leaderboard" },
  zh: { parts: "分栏", cards: "评分卡", board: "排行榜" },
});

/** All that is known of each model, and who could truly be first. */
export function Scorecards({ active, path }: RoomProps) {
  const t = useWords(WORDS);
  const current = path[0] === "board" ? "board" : "cards";
  const tabs = [
    { id: "cards", name: t.cards },
    { id: "board", name: t.board },
  ];
  return (
    <>
      <Tabs room="scorecards" label={t.parts} tabs={tabs} current={current} />
      {current === "board" ? <Boards active={active} /> : <Cards active={active} />}
    </>
  );
}
