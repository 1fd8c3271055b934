import { Empty } from "../components/states";
import { useWords } from "../lib/i18n";
import { href } from "../lib/route";
import { List } from "./runs/list";
import { Run } from "./runs/run";
import { WORDS } from "./runs/words";
import type { RoomProps } from "./room";

const ID = /^r[0-9a-z]{3,15}$/; // as the server makes them

/** What was trained and measured here; one run has the address `#/runs/<id>`. */
export function Runs({ active, path }: RoomProps) {
  const t = useWords(WORDS);
  const id = path[0];
  if (id && !ID.test(id))
    return (
      <Empty title={t.noSuch(id)}>
        <a href={href("runs")}>{t.all}</a>
      </Empty>
    );
  return id ? <Run key={id} id={id} active={active} /> : <List active={active} />;
}
