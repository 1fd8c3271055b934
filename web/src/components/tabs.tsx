import { href } from "../lib/route";

interface Props {
  room: string;
  label: string;
  tabs: readonly { id: string; name: string }[];
  current: string;
}

/** The parts of a room, each with an address of its own. */
export function Tabs({ room, label, tabs, current }: Props) {
  return (
    <nav class="tabs" aria-label={label}>
      {tabs.map((one) => (
        <a key={one.id} href={href(room, one.id)} aria-current={one.id === current ? "page" : undefined}>
          {one.name}
        </a>
      ))}
    </nav>
  );
}
