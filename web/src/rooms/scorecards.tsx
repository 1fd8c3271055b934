import { Empty } from "../components/states";
import type { RoomProps } from "./room";

export function Scorecards(_: RoomProps) {
  return <Empty title="Scorecards" />;
}
