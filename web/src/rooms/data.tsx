import { Empty } from "../components/states";
import type { RoomProps } from "./room";

export function Data(_: RoomProps) {
  return <Empty title="Data" />;
}
