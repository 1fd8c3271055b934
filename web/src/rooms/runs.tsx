import { Empty } from "../components/states";
import type { RoomProps } from "./room";

export function Runs(_: RoomProps) {
  return <Empty title="Runs" />;
}
