import { Progress } from "../../components/progress";
import { useWords } from "../../lib/i18n";
import { whole } from "../../lib/numbers";
import type { Job } from "./types";
import { WORDS } from "./words";

/** How a choice goes. */
export function JobView({ job }: { job: Job }) {
  const t = useWords(WORDS);
  if (job.state === "cancelled") return <p class="soft">{`${t.cancelled} ${t.another}`}</p>;
  if (job.state === "queued") return <Progress label={job.ahead ? t.queued(whole(job.ahead)) : t.starting} />;
  if (job.state !== "running") return null;
  return (
    <div class="card stack" data-job={job.state}>
      {job.opening && <Progress label={t.opening(job.opening)} />}
      {!job.opening && !job.lanes.length && <Progress label={t.starting} />}
      {job.lanes.map((lane) => (
        <Progress key={lane.name} label={t.racing(lane.name, whole(lane.done), whole(lane.total))} done={lane.done} total={lane.total} />
      ))}
    </div>
  );
}
