import { Button } from "../../components/button";
import { Failure } from "../../components/states";
import { useWords } from "../../lib/i18n";
import type { Match } from "./match";
import { WORDS } from "./words";

export function Ballot({ match }: { match: Match }) {
  const t = useWords(WORDS);
  if (match.vote)
    return (
      <p class="good" role="status">
        {t.kept}
      </p>
    );
  return (
    <>
      <div class="ballot" role="group" aria-label={t.which}>
        <Button disabled={!match.open} onClick={() => void match.cast("left")}>
          {t.leftBetter}
        </Button>
        <Button disabled={!match.open} onClick={() => void match.cast("tie")}>
          {t.tie}
        </Button>
        <Button disabled={!match.open} onClick={() => void match.cast("neither")}>
          {t.neither}
        </Button>
        <Button disabled={!match.open} onClick={() => void match.cast("right")}>
          {t.rightBetter}
        </Button>
      </div>
      {match.error && <Failure error={match.error} />}
    </>
  );
}
