import type { VNode } from "preact";
import type { TailEntryView, TailType } from "../../../src/contract/api.ts";
import { Badge, type Tone } from "../../components/badge.tsx";
import { JsonView } from "../../components/json-view.tsx";
import { formatClock, formatDuration, formatExact } from "../../format.ts";

const words: Readonly<Record<TailType, readonly [Tone, string]>> = {
  emitted: ["info", "Emitted"],
  unrouted: ["warn", "No subscription"],
  delivered: ["good", "Delivered"],
  failed: ["warn", "Failed"],
  dead: ["bad", "Dead"],
  released: ["plain", "Released"],
};

/** A line about something that happened to an event; open, it says all that is known. */
export function TailEntry(props: {
  readonly entry: TailEntryView;
  readonly isOpen: boolean;
  readonly onToggle: () => void;
}): VNode {
  const { entry, isOpen, onToggle } = props;
  const { type, at, event, subscriberId, attempt, durationMs, error, reason, delayMs } = entry;
  const [tone, word] = words[type];
  const when = Date.parse(at);
  const facts: readonly (readonly [string, string | undefined])[] = [
    ["Event", event.id],
    ["Process", entry.instanceId],
    ["Attempt", attempt === undefined ? undefined : String(attempt)],
    ["Duration", durationMs === undefined ? undefined : formatDuration(durationMs)],
    ["Error", error === undefined ? undefined : `${error.name}: ${error.message}`],
    ["Reason", reason],
    ["Comes again in", delayMs === undefined ? undefined : formatDuration(delayMs)],
  ];
  return (
    <details class="tail-entry" open={isOpen}>
      <summary
        onClick={(click) => {
          click.preventDefault();
          onToggle();
        }}
      >
        <time class="muted number" dateTime={at} title={formatExact(when)}>
          {formatClock(when)}
        </time>
        <span>
          <Badge tone={tone}>{word}</Badge>
        </span>
        <span>
          <b>{event.name}</b>
          {subscriberId !== undefined && <span class="muted"> → {subscriberId}</span>}
        </span>
        <span class="muted number">
          {error === undefined
            ? durationMs !== undefined && formatDuration(durationMs)
            : error.message}
        </span>
      </summary>
      {isOpen && (
        <div class="tail-detail">
          <dl class="facts">
            {facts.map(([name, value]) =>
              value === undefined ? null : (
                <div key={name} class="fact">
                  <dt>{name}</dt>
                  <dd>{value}</dd>
                </div>
              ),
            )}
          </dl>
          {entry.data !== undefined && <JsonView value={entry.data} label="the data" />}
          <JsonView value={event.metadata} label="the metadata" />
        </div>
      )}
    </details>
  );
}
