import type { VNode } from "preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import type { TailDropped, TailEntryView } from "../../../src/contract/api.ts";
import { Button } from "../../components/button.tsx";
import { SelectField, TextField } from "../../components/field.tsx";
import { LiveBadge } from "../../components/live-badge.tsx";
import { Empty, Panel } from "../../components/page.tsx";
import { formatCount, plural } from "../../format.ts";
import { useLive } from "../../live.ts";
import { useSettled } from "../../settled.ts";
import { TailEntry } from "./tail-entry.tsx";

/** Older entries leave the page. */
const mostEntries = 500;

/** How often the list is rendered, however much happens. */
const renderMs = 250;

interface NumberedEntry extends TailEntryView {
  readonly number: number;
}

/** What happens to events in all processes, as it happens. */
export function Tail({ name }: { readonly name: string }): VNode {
  const [isOn, setOn] = useState(false);
  const [type, setType] = useState("");
  const [subscriber, setSubscriber] = useState("");
  const [text, setText] = useState("");
  const [entries, setEntries] = useState<readonly NumberedEntry[]>([]);
  const [dropped, setDropped] = useState(0);
  const [heldCount, setHeldCount] = useState(0);
  const [openNumber, setOpenNumber] = useState<number>();
  const fresh = useRef<NumberedEntry[]>([]);
  const numbers = useRef(0);

  const filter = useSettled(
    new URLSearchParams(
      Object.entries({ name, type, subscriber: subscriber.trim(), text: text.trim() }).filter(
        ([, value]) => value !== "",
      ),
    ).toString(),
  );
  const state = useLive(isOn ? `api/tail?${filter}` : undefined, {
    entry: useCallback((entry: TailEntryView) => {
      numbers.current += 1;
      fresh.current.push({ ...entry, number: numbers.current });
      if (fresh.current.length > mostEntries) fresh.current.shift();
    }, []),
    dropped: useCallback(({ count }: TailDropped) => setDropped((before) => before + count), []),
  });

  const show = useCallback(() => {
    const added = fresh.current.splice(0).toReversed();
    setHeldCount(0);
    if (added.length > 0) setEntries((before) => [...added, ...before].slice(0, mostEntries));
  }, []);
  // Nothing moves while a user reads an entry.
  const isHeld = openNumber !== undefined;
  useEffect(() => {
    if (!isOn) return;
    const timer = setInterval(() => {
      if (isHeld) setHeldCount(fresh.current.length);
      else show();
    }, renderMs);
    return () => clearInterval(timer);
  }, [isOn, isHeld, show]);

  const clear = useCallback(() => {
    fresh.current = [];
    setEntries([]);
    setDropped(0);
    setHeldCount(0);
    setOpenNumber(undefined);
  }, []);
  // What is shown fits the filter.
  useEffect(clear, [filter, clear]);
  return (
    <Panel
      title={name === "" ? "Live tail" : `Live tail of ${name}`}
      actions={
        <>
          <LiveBadge state={state} />
          <Button small onClick={clear} disabled={entries.length === 0}>
            Clear
          </Button>
          <Button small kind={isOn ? "plain" : "primary"} onClick={() => setOn(!isOn)}>
            {isOn ? "Stop" : "Start"}
          </Button>
        </>
      }
      flush
    >
      <div class="panel-body">
        <div class="filters">
          <SelectField
            label="What happened"
            value={type}
            onChange={setType}
            choices={[
              { value: "", label: "Everything" },
              { value: "emitted", label: "Emitted" },
              { value: "unrouted", label: "Emitted without a subscription" },
              { value: "delivered", label: "Delivered" },
              { value: "failed", label: "Failed" },
              { value: "dead", label: "Dead" },
              { value: "released", label: "Released" },
              { value: "failed,dead", label: "Failed or dead" },
            ]}
          />
          <TextField
            label="Subscription"
            value={subscriber}
            onChange={setSubscriber}
            placeholder="Any"
          />
          <TextField
            label="Text in the event"
            type="search"
            value={text}
            onChange={setText}
            placeholder="An id, or a part of the data"
          />
        </div>
      </div>
      {(heldCount > 0 || dropped > 0) && (
        <div class="more" role="status">
          {heldCount > 0 && (
            <Button
              small
              onClick={() => {
                setOpenNumber(undefined);
                show();
              }}
            >
              Show {plural(heldCount, "new entry", "new entries")}
            </Button>
          )}
          {dropped > 0 && (
            <span>{formatCount(dropped)} entries were left out: too much happened at once.</span>
          )}
        </div>
      )}
      {entries.length === 0 ? (
        <Empty title={isOn ? "Nothing has happened yet" : "The live tail is off"}>
          {isOn
            ? "What happens to events in any process will be shown here."
            : "Start it to see what happens to events, in all processes."}
        </Empty>
      ) : (
        <ol class="tail" tabIndex={0} aria-label="What happened, the latest first">
          {entries.map((entry) => (
            <li key={entry.number}>
              <TailEntry
                entry={entry}
                isOpen={entry.number === openNumber}
                onToggle={() =>
                  setOpenNumber((open) => (open === entry.number ? undefined : entry.number))
                }
              />
            </li>
          ))}
        </ol>
      )}
    </Panel>
  );
}
