/** What `crash-child.ts` says before it stands still. */
export const STANDS_STILL = "stands still";
