import { Empty } from "../components/states";
import type { RoomProps } from "./room";

export function Chat(_: RoomProps) {
  return <Empty title="Chat" />;
}
