import {
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
} from "@nats-io/jetstream";

/** A record as it is stored. */
export interface StoredRecord {
  readonly text: string;
  /** Goes up with each write. */
  readonly revision: number;
  /** When it was written: milliseconds since the epoch, by the clock of NATS. */
  readonly writtenAt: number;
}

/** Small values, each under a subject of one stream that keeps the last of each. */
export interface Records {
  /** Reads a record from the server that leads the stream: the last one written. */
  get(subject: string): Promise<StoredRecord | undefined>;
  /** Writes a record. */
  put(subject: string, text: string): Promise<void>;
  /** Writes a record unless another process has written it since `revision`, 0 for none. Resolves with whether it did. */
  replace(subject: string, text: string, revision: number): Promise<boolean>;
  /** Deletes the records of a subject, which may have wildcards. */
  remove(subject: string): Promise<void>;
}

/** Keeps records in a stream. */
export function createRecords(
  client: JetStreamClient,
  manager: JetStreamManager,
  stream: string,
): Records {
  return {
    async get(subject) {
      try {
        const found = await manager.streams.getMessage(stream, { last_by_subj: subject });
        if (!found) return undefined;
        return { text: found.string(), revision: found.seq, writtenAt: found.time.getTime() };
      } catch (error) {
        if (error instanceof JetStreamApiError && error.status === 404) return undefined;
        throw error;
      }
    },
    async put(subject, text) {
      await client.publish(subject, text);
    },
    async replace(subject, text, revision) {
      try {
        await client.publish(subject, text, { expect: { lastSubjectSequence: revision } });
        return true;
      } catch (error) {
        if (isConflict(error)) return false;
        throw error;
      }
    },
    async remove(subject) {
      await manager.streams.purge(stream, { filter: subject });
    },
  };
}

/** Whether another process has written the record meanwhile. */
function isConflict(error: unknown): boolean {
  const { StreamWrongLastSequence, StreamWrongLastSequenceUnknown } = JetStreamApiCodes;
  const codes: readonly number[] = [StreamWrongLastSequence, StreamWrongLastSequenceUnknown];
  return error instanceof JetStreamApiError && codes.includes(error.code);
}
