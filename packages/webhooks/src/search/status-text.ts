import type { DeliveryState } from "../contract/delivery.ts";

/** What the status text of a delivery depends on. */
export interface StatusFacts {
  readonly state: DeliveryState;
  /** Attempts that were begun, those of replays included. */
  readonly attempts: number;
  /** Attempts that have ended since the last replay. */
  readonly chainAttempts: number;
  /** Whether the delivery was ever replayed. */
  readonly isReplayed: boolean;
}

/** Returns the status of a delivery for people to read, such as `Delivered after 2 retries`. */
export function statusText({ state, attempts, chainAttempts, isReplayed }: StatusFacts): string {
  const sofar =
    attempts === 0 ? "before its first attempt" : `after ${counted(attempts, "attempt")}`;
  switch (state) {
    case "waiting":
      return "Waiting for its first attempt";
    case "retrying":
      return isReplayed && chainAttempts === 0
        ? `Waiting for a replay, attempt ${attempts + 1}`
        : `Retrying, attempt ${attempts + 1} is next`;
    case "running":
      return `Attempt ${attempts} is running`;
    case "delivered":
      return deliveredText(attempts, chainAttempts, isReplayed);
    case "paused":
      return `Paused ${sofar}`;
    case "dead":
      return `Dead ${sofar}`;
    case "cancelled":
      return `Cancelled ${sofar}`;
  }
}

function deliveredText(attempts: number, chainAttempts: number, isReplayed: boolean): string {
  const retries = (isReplayed ? chainAttempts : attempts) - 1;
  const parts = [
    ...(isReplayed ? ["a replay"] : []),
    ...(retries > 0 ? [counted(retries, "retry", "retries")] : []),
  ];
  return parts.length === 0 ? "Delivered" : `Delivered after ${parts.join(" and ")}`;
}

function counted(count: number, one: string, many: string = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
