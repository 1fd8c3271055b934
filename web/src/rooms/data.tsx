import { useRef, useState } from "preact/hooks";
import { FileDrop } from "../components/drop";
import { Failure, Loading } from "../components/states";
import { asError, isAbort, request, type ApiError } from "../lib/api";
import { useWords } from "../lib/i18n";
import { Look } from "./data/look";
import type { DataLook } from "./data/types";
import { WORDS } from "./data/words";
import type { RoomProps } from "./room";

const ENDINGS = ".jsonl,.json,.csv,.tsv,.txt,.parquet,.gz,.zst";

/** Drop a file: what was understood, and which rows are bad. */
export function Data(_: RoomProps) {
  const t = useWords(WORDS);
  const [reading, setReading] = useState("");
  const [found, setFound] = useState<DataLook | null>(null);
  const [fault, setFault] = useState<ApiError | null>(null);
  const before = useRef<AbortController | null>(null);
  const look = async (file: File) => {
    before.current?.abort();
    const stop = (before.current = new AbortController());
    const body = new FormData();
    body.append("file", file);
    setReading(file.name);
    setFault(null);
    setFound(null);
    try {
      setFound(await request<DataLook>("/api/data", { body, signal: stop.signal }));
    } catch (error) {
      if (isAbort(error)) return; // another file was dropped meanwhile
      setFault(asError(error));
    }
    setReading("");
  };
  return (
    <div class="stack">
      <FileDrop title={t.drop} hint={t.endings} accept={ENDINGS} onFile={(file) => void look(file)} />
      {reading && <Loading text={t.looking(reading)} />}
      {fault && <Failure error={fault} />}
      {found && <Look look={found} />}
    </div>
  );
}
