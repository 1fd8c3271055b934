import { List } from "./runs/list";
import { Run } from "./runs/run";
import type { RoomProps } from "./room";

/** What was trained and measured here; one run has the address `#/runs/<id>`. */
export function Runs({ active, path }: RoomProps) {
  const id = path[0];
  return id ? <Run key={id} id={id} active={active} /> : <List active={active} />;
}
