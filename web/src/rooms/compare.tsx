import { Empty } from "../components/states";
import type { RoomProps } from "./room";

export function Compare(_: RoomProps) {
  return <Empty title="Compare" />;
}
