import { Empty } from "../components/states";
import type { RoomProps } from "./room";

export function Choose(_: RoomProps) {
  return <Empty title="Choose" />;
}
