/**
 * The `data` of each server-sent event (WHATWG HTML, section 9.2.6).
 * Lines end in LF, CR or CRLF; an empty line ends an event.
 */
export async function* events(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = "";
  let data: string[] = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      rest += value ?? "";
      // A CR at the very end may be half of a CRLF: it waits for what follows.
      const lines = rest.split(done ? /\r\n|\n|\r/ : /\r\n|\n|\r(?!$)/);
      rest = done ? "" : (lines.pop() ?? "");
      for (const line of lines) {
        if (line === "" && data.length) {
          yield data.join("\n");
          data = [];
        } else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
      }
      if (done) break;
    }
    if (data.length) yield data.join("\n");
  } finally {
    // Whoever stops listening also closes the connection, so that the server stops working.
    await reader.cancel().catch(() => undefined);
  }
}
