import type { VNode } from "preact";
import type { ScheduleView } from "../../../src/contract/api.ts";
import { Dialog } from "../../components/dialog.tsx";
import { JsonView } from "../../components/json-view.tsx";
import { Time } from "../../components/time.tsx";
import { formatExact, plural } from "../../format.ts";
import { NextDue } from "./next-due.tsx";
import { timesInWords } from "./times-in-words.ts";

const misfires: Readonly<Record<ScheduleView["misfire"], string>> = {
  once: "one event, for the latest of them",
  all: "an event for each of them",
  skip: "no event",
};

/** One schedule: its times, what has become of it, and the event that it emits. */
export function ScheduleDialog(props: {
  readonly schedule: ScheduleView;
  readonly onClose: () => void;
}): VNode {
  const { schedule, onClose } = props;
  const { id, times, startAt, endAt, misfire, lastDueAt, lastFiredAt, emitted } = schedule;
  const { lastError, event, data, options } = schedule;
  return (
    <Dialog title={id} wide onClose={onClose}>
      {lastError !== null && (
        <div class="notice notice-bad">
          <strong>
            {`${plural(lastError.attempts, "emit")} failed one after the other`}
            {lastError.code !== null && ` (${lastError.code})`}
          </strong>
          <p class="pre-line">{lastError.message}</p>
          <p>
            The last one failed <Time at={lastError.at} />. The bus tries again{" "}
            <Time at={lastError.retryAt} />.
          </p>
        </div>
      )}
      <dl class="facts">
        <dt>Due</dt>
        <dd>{timesInWords(times)}</dd>
        <dt>Next due</dt>
        <dd>
          <NextDue of={schedule} />
        </dd>
        {startAt !== null && <Fact name="Starts" at={startAt} />}
        {endAt !== null && <Fact name="Ends" at={endAt} />}
        {lastDueAt !== null && <Fact name="Last due" at={lastDueAt} />}
        {lastFiredAt !== null && <Fact name="Last emitted" at={lastFiredAt} />}
        <dt>Emitted</dt>
        <dd>{plural(emitted, "event")}</dd>
        <dt>Missed due times</dt>
        <dd>{misfires[misfire]}</dd>
      </dl>
      <h3>
        The event <code>{event}</code>
      </h3>
      <JsonView value={data} label="the data" />
      {Object.keys(options).length > 0 && <JsonView value={options} label="the options" />}
    </Dialog>
  );
}

function Fact({ name, at }: { readonly name: string; readonly at: string }): VNode {
  return (
    <>
      <dt>{name}</dt>
      <dd>{formatExact(Date.parse(at))}</dd>
    </>
  );
}
