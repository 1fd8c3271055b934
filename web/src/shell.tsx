import { Icon } from "./components/icon";
import { key, keyWanted, reached } from "./lib/api";
import { language, useWords, words } from "./lib/i18n";
import { href } from "./lib/route";
import { status, statusError } from "./lib/status";
import { theme, THEMES } from "./lib/theme";
import { useValue } from "./lib/value";
import { ROOMS, type Room } from "./rooms";

const WORDS = words({
  en: {
    rooms: "Rooms",
    settings: "Settings",
    language: "中文",
    languageTitle: "用中文显示",
    auto: "Theme: as the system",
    light: "Theme: light",
    dark: "Theme: dark",
    key: "API key",
    docs: "The interface for programs",
    offline: "no connection",
  },
  zh: {
    rooms: "房间",
    settings: "设置",
    language: "EN",
    languageTitle: "Show in English",
    auto: "外观：跟随系统",
    light: "外观：浅色",
    dark: "外观：深色",
    key: "API 密钥",
    docs: "给程序用的接口",
    offline: "未连接",
  },
});

/** The frame around every room: name, rooms, settings. A column on wide screens, two bars on a phone. */
export function Shell({ room }: { room: Room }) {
  const t = useWords(WORDS);
  return (
    <>
      <header class="bar">
        <a class="brand" href={href("chat")} aria-label="四宝 Sibao">
          <span class="seal" aria-hidden="true">
            四宝
          </span>
          <span class="brand-name">Sibao</span>
        </a>
        <Settings />
      </header>
      <nav class="rooms" aria-label={t.rooms}>
        {ROOMS.map((one) => (
          <RoomLink key={one.id} room={one} current={one === room} />
        ))}
      </nav>
    </>
  );
}

function RoomLink({ room, current }: { room: Room; current: boolean }) {
  const t = useWords(room.name);
  return (
    <a href={href(room.id)} aria-current={current ? "page" : undefined} title={t.about}>
      <Icon name={room.icon} />
      <span>{t.name}</span>
    </a>
  );
}

function Settings() {
  const t = useWords(WORDS);
  const shown = useValue(language);
  const look = useValue(theme);
  const hasKey = useValue(key) !== "";
  const next = THEMES[(THEMES.indexOf(look) + 1) % THEMES.length] ?? "auto";
  return (
    <div class="settings" role="group" aria-label={t.settings}>
      <Version />
      <button class="plain" title={t.languageTitle} onClick={() => language.set(shown === "zh" ? "en" : "zh")}>
        <span lang={shown === "zh" ? "en" : "zh-CN"}>{t.language}</span>
      </button>
      <button class="plain" title={t[look]} aria-label={t[look]} onClick={() => theme.set(next)}>
        <Icon name={look} />
      </button>
      <button
        class="plain"
        title={t.key}
        aria-label={t.key}
        data-set={hasKey ? "" : undefined}
        onClick={() => keyWanted.set(true)}
      >
        <Icon name="key" />
      </button>
    </div>
  );
}

function Version() {
  const t = useWords(WORDS);
  const known = useValue(status);
  const fault = useValue(statusError);
  const answers = useValue(reached);
  if (fault || !answers) return <span class="version bad">{t.offline}</span>;
  if (!known) return <span class="version soft" />;
  return (
    <a class="version soft" href="docs" title={t.docs} aria-label={`${t.docs} (${known.version})`}>
      {known.version}
    </a>
  );
}
