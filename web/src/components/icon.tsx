const PATHS = {
  chat: "M4 5h16v11H10l-4 3.5V16H4z",
  tasks: "M5 6.5l1.5 1.5L9 5.5M12 7h7M5 12.5l1.5 1.5L9 11.5M12 13h7M5 18.5l1.5 1.5L9 17.5M12 19h7",
  compare: "M4 5h7v14H4zM13 5h7v14h-7z",
  scorecards: "M5 20V11M12 20V5M19 20v-6M3 20h18",
  choose: "M4 6h16M7 12h10M10 18h4",
  runs: "M3 17l5-6 4 4 4-8 5 6",
  data: "M5 6c0-3 14-3 14 0v12c0 3-14 3-14 0zM5 6c0 3 14 3 14 0M5 12c0 3 14 3 14 0",
  auto: "M12 4a8 8 0 1 0 0 16zM12 4a8 8 0 0 1 0 16",
  light:
    "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2.5M12 19.500V22M2 12h2.500M19.5 12H22M5 5l1.7 1.700M17.3 17.300L19 19M19 5l-1.7 1.700M6.7 17.300L5 19",
  dark: "M19.5 14.500A8 8 0 1 1 9.5 4.500a6.5 6.5 0 0 0 10 10z",
  key: "M8 11a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM11.2 12.3L20 3.5M15.5 8l3 3",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  edit: "M4 20l1-4L16.5 4.500l3 3L8 19z",
  again: "M19 8a8 8 0 1 0 1 6M20 4v5h-5",
  stop: "M7 7h10v10H7z",
  send: "M12 19V5M6 11l6-6 6 6",
  swap: "M4 9h15l-4-4M20 15H5l4 4",
  tune: "M4 7h10M18 7h2M4 17h4M12 17h8M14 5v4h4V5zM8 15v4h4v-4z",
  close: "M6 6l12 12M18 6L6 18",
  file: "M6 3h8l4 4v14H6zM14 3v4h4",
  plus: "M12 5v14M5 12h14",
  check: "M5 12.500l4.5 4.500L19 7",
} as const;

export type IconName = keyof typeof PATHS;

/** A line drawing; what it means is said by the text or label beside it. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
