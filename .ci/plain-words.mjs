// What the project does not write, what it writes instead, and sentences that show both. From the glossary of
// docs/CONTRIBUTING.md, "Plain English".

/** @type {readonly { not: RegExp, write: string, wrong: string, right: string }[]} */
export const words = [
  {
    not: /\bpass(?:es|ed|ing)? over\b/i,
    write: "ignores, skips",
    wrong: "Unknown fields are passed over.",
    right: "Unknown fields are ignored.",
  },
  {
    not: /\bbeside\b/i,
    write: "next to, compared with",
    wrong: "Busbar beside other libraries.",
    right: "Busbar compared with other libraries.",
  },
  {
    not: /\bwho(?:so)?ever\b/i,
    write: "anyone who, a caller that",
    wrong: "Whoever replays it needs the id.",
    right: "A caller that replays it needs the id.",
  },
  {
    not: /\b(?:tells|told)\b/i,
    write: "reports, returns, says",
    wrong: "The error tells which option is wrong.",
    right: "The error says which option is wrong.",
  },
  {
    not: /\bmend(?:s|ed|ing)?\b/i,
    write: "fixes, repairs",
    wrong: "A restart mends the registry.",
    right: "A restart repairs the registry.",
  },
  {
    not: /\bwhat (?:waits|is not wanted)\b|\bsome(?:body|one)\b|\bthe one that\b/i,
    write: "the noun: pending delivery, dead letter, caller, provider author",
    wrong: "The queue keeps what waits.",
    right: "The queue keeps pending deliveries.",
  },
  {
    not: /\bwithout a word\b/i,
    write: "unacknowledged, unsettled",
    wrong: "A delivery that is left without a word comes back.",
    right: "An unsettled delivery comes back.",
  },
  {
    not: /\bhand(?:s|ed|ing)?[ -](?:overs?|back)\b/i,
    write: "delivers, delivery; releases, release",
    wrong: "The process hands back its deliveries.",
    right: "The process releases its deliveries.",
  },
  {
    not: /\bin hand\b/i,
    write: "in flight",
    wrong: "Stop waits for deliveries in hand.",
    right: "Stop waits for deliveries in flight.",
  },
  {
    not: /\b(?:stand|stands|stood|hang|hangs) on\b/i,
    write: "depends on",
    wrong: "The outbox stands on a database.",
    right: "The outbox depends on a database.",
  },
  {
    not: /\balso where\b|\bbe it\b/i,
    write: "even if, also when",
    wrong: "It holds also where Redis is slow.",
    right: "It also holds when Redis is slow.",
  },
  {
    not: /\b(?:not|no) (?:more|fewer|less) than\b/i,
    write: "at most, at least",
    wrong: "Keep no fewer than two copies.",
    right: "Keep at least two copies.",
  },
  {
    not: /\bsafe twice\b/i,
    write: "safe to call twice, idempotent",
    wrong: "`stop` is safe twice.",
    right: "`stop` is safe to call twice.",
  },
  {
    not: /\bas far as\b/i,
    write: "as much as, up to",
    wrong: "The order holds as far as the key.",
    right: "The order holds up to the key.",
  },
  {
    not: /\brefuses\b/i,
    write: "throws, rejects with",
    wrong: "`emit` refuses a payload that is too large.",
    right: "`emit` rejects with `BUSBAR_INVALID_EVENT` if a payload is too large.",
  },
  {
    not: /\b(?:leaves|goes)(?:[.,;:]|$| (?:after|when|once|with)\b)/i,
    write: "expires, is deleted after",
    wrong: "An entry leaves after an hour.",
    right: "An entry expires after an hour.",
  },
  {
    not: /\bh[eo]ld(?:s|ing)? on to\b/i,
    write: "keeps, retains",
    wrong: "The bus holds on to the event.",
    right: "The bus keeps the event.",
  },
  {
    not: /, too(?=[.;:)]|$)/i,
    write: "also, before the verb",
    wrong: "The webhook is retried, too.",
    right: "The webhook is also retried.",
  },
  {
    not: /\bas by\b/i,
    write: "with, using",
    wrong: "The bus closes as by `stop()`.",
    right: "The bus closes as if `stop()` had been called.",
  },
];
