import type { VNode } from "preact";
import { formatClock, formatDuration, plural } from "../../format.ts";
import type { TraceView } from "./views.ts";

const width = 1_000;
const margin = 16;
const middle = 24;

/** The attempts of a delivery along a line, from its creation to the next attempt. */
export function Timeline({ trace }: { readonly trace: TraceView }): VNode | null {
  const { delivery, attempts } = trace;
  if (attempts.length === 0) return null;
  const start = Date.parse(delivery.createdAt);
  const next = delivery.nextAttemptAt === null ? undefined : Date.parse(delivery.nextAttemptAt);
  const ends = attempts.map(({ startedAt, durationMs }) => Date.parse(startedAt) + durationMs);
  const end = Math.max(start + 1, next ?? 0, ...ends);
  const x = (at: number): number =>
    margin + (Math.max(0, at - start) / (end - start)) * (width - 2 * margin);
  const failed = attempts.filter(({ success }) => !success).length;
  const summary = `${plural(attempts.length, "attempt")} within ${formatDuration(end - start)}, ${failed} of them failed`;
  return (
    <figure class="timeline">
      <svg viewBox={`0 0 ${width} 48`} role="img" aria-label={summary}>
        <line class="timeline-axis" x1={margin} x2={width - margin} y1={middle} y2={middle} />
        {attempts.map(({ id, startedAt, durationMs, success }) => {
          const at = Date.parse(startedAt);
          const length = Math.max(6, x(at + durationMs) - x(at));
          return (
            <rect
              key={id}
              class={success ? "timeline-good" : "timeline-bad"}
              x={Math.min(x(at), width - margin - 6)}
              y={middle - 10}
              width={length}
              height={20}
              rx={3}
            />
          );
        })}
        {next !== undefined && <circle class="timeline-next" cx={x(next)} cy={middle} r={7} />}
      </svg>
      <figcaption class="row row-between muted small">
        <span>{formatClock(start)}</span>
        <span>{summary}</span>
        <span>{formatClock(end)}</span>
      </figcaption>
    </figure>
  );
}
