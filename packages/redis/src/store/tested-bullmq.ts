/**
 * The release of BullMQ that the whole conformance suite passed with, and a SHA-256 of each of its scripts that
 * runs within ours: over the number of its keys and its text. `node .ci/bullmq.mjs --accept` writes these.
 */
export const TESTED_BULLMQ = {
  version: "6.7.0",
  scripts: {
    addDelayedJob: "0d5a6354ade71ef313b884ffbad9654a3bfce8cd30355ece46dd747e23ffc311",
    addPrioritizedJob: "7fc0ef731923c7a980d116e1d143d605a445507050f0ecefe212243626dc7d2f",
    moveJobFromActiveToWait: "6452ee32fb493de95ff19dd03f2e3cc1204bc59bc751d9d3b6bb3a985fa86fb7",
    moveStalledJobsToWait: "38233db22ec48fd45f1da9239e6ba142f62ebba2e3d92adfad5a6ee94fec6cd1",
    moveToActive: "4d435b9e06c1cbffc04705a44cb4caf42aea4b54a8d31c07bb9e1d4c51ffbe2d",
    moveToDelayed: "0a49da7034a6f32ca1da8fc28931c3ab635335bdbc801a92cfce88674116cbee",
    moveToFinished: "4e1a2cea2df2d1e1f796d05e106aecd6790da47ffa487ca953f8b3b6456c23c0",
  },
} as const;
