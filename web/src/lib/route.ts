import { value } from "./value";

/** What stands after `#/`: the room, and the rest as the room reads it (`#/tasks/answer`). */
export interface Route {
  room: string;
  path: string[];
}

export const route = value<Route>(read());
addEventListener("hashchange", () => route.set(read()));

export function href(...path: string[]): string {
  return `#/${path.map(encodeURIComponent).join("/")}`;
}

export function go(...path: string[]): void {
  location.hash = href(...path);
}

function read(): Route {
  const [room = "", ...path] = location.hash.replace(/^#\/?/, "").split("/").map(decode);
  return { room, path: path.filter(Boolean) };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // a stray % typed by hand
  }
}
