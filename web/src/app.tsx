import { useEffect, useRef, useState } from "preact/hooks";
import { KeyDialog } from "./components/key";
import { Toasts } from "./components/toast";
import { useWords, words } from "./lib/i18n";
import { route } from "./lib/route";
import { refresh } from "./lib/status";
import { useValue } from "./lib/value";
import { ROOMS, type Room } from "./rooms";
import { Shell } from "./shell";

const WORDS = words({ en: { skip: "Skip to the content" }, zh: { skip: "跳到正文" } });

export function App() {
  const where = useValue(route);
  const room = ROOMS.find((one) => one.id === where.room) ?? (ROOMS[0] as Room);
  const visited = useVisited(room.id);
  const t = useWords(WORDS);
  const main = useRef<HTMLElement>(null);
  useTitle(room);
  useEffect(() => void refresh(), []);
  useFocusOnChange(main.current, room.id);
  return (
    <>
      <a class="skip" href={`#/${where.room}`} onClick={(event) => (event.preventDefault(), main.current?.focus())}>
        {t.skip}
      </a>
      <Shell room={room} />
      <main ref={main} id="main" tabIndex={-1}>
        {ROOMS.filter((one) => visited.has(one.id)).map((one) => (
          <section key={one.id} class="room" data-room={one.id} hidden={one !== room}>
            <RoomHead room={one} />
            <one.Show active={one === room} path={one === room ? where.path : []} />
          </section>
        ))}
      </main>
      <KeyDialog />
      <Toasts />
    </>
  );
}

function RoomHead({ room }: { room: Room }) {
  const t = useWords(room.name);
  return (
    <header class="room-head">
      <h1>{t.name}</h1>
      <p class="soft">{t.about}</p>
    </header>
  );
}

/** Rooms once opened stay drawn: what was typed and what runs there is not lost. */
function useVisited(id: string): Set<string> {
  const [visited, setVisited] = useState(() => new Set([id]));
  if (visited.has(id)) return visited;
  const next = new Set(visited).add(id);
  setVisited(next);
  return next;
}

function useTitle(room: Room): void {
  const { name } = useWords(room.name);
  useEffect(() => {
    document.title = `${name} · 四宝 Sibao`;
  }, [name]);
}

/** Who goes to another room by keyboard or screen reader lands in it, or in the field that the room chose. */
function useFocusOnChange(main: HTMLElement | null, id: string): void {
  const first = useRef(true);
  useEffect(() => {
    const chosen = document.activeElement?.closest(".room:not([hidden])");
    if (!first.current && !chosen) main?.focus({ preventScroll: true });
    first.current = false;
    scrollTo(0, 0);
  }, [id]);
}
