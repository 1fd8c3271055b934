import { Empty } from "../components/states";
import type { RoomProps } from "./room";

export function Tasks(_: RoomProps) {
  return <Empty title="Tasks" />;
}
