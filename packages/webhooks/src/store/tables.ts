import type { Migrations } from "@busbar/sql/feature";

/**
 * The tables of webhooks, for both kinds of database: `{{serial}}` stands for a primary key that counts by
 * itself, `{{bytewise}}` for a text that is ordered by its bytes, and `{{clustered}}` for rows in the order of their key. Times are milliseconds since the epoch, by the clock of the database. JSON is text. Flags are 0 or 1.
 */
const TABLES = [
  {
    version: 1,
    sql: `
-- One row. Its version moves with each change of a subscription: processes compare it with the version that they know.
CREATE TABLE busbar_webhook_state (
  id integer PRIMARY KEY,
  subscriptions_version bigint NOT NULL
);

INSERT INTO busbar_webhook_state (id, subscriptions_version) VALUES (1, 0);

-- revision: subscriptions_version of the last change. events: JSON, names and patterns. options: JSON, all other
-- settings; secret members say [secret]. secrets: JSON, what may be seen of them. sealed: the secrets and the secret
-- members, encrypted; NULL once deleted
CREATE TABLE busbar_webhook_subscriptions (
  number {{serial}},
  id text NOT NULL,
  version integer NOT NULL,
  revision bigint NOT NULL,
  enabled integer NOT NULL,
  notifier text NOT NULL,
  destination text NOT NULL,
  label text,
  scope text,
  events text NOT NULL,
  options text NOT NULL,
  secrets text NOT NULL,
  sealed text,
  disabled_kind text,
  disabled_at bigint,
  disabled_detail text,
  created_at bigint NOT NULL,
  created_by text,
  modified_at bigint NOT NULL,
  modified_by text,
  deleted_at bigint
);

CREATE UNIQUE INDEX busbar_webhook_subscriptions_id ON busbar_webhook_subscriptions (id);

CREATE INDEX busbar_webhook_subscriptions_revision ON busbar_webhook_subscriptions (revision);

CREATE INDEX busbar_webhook_subscriptions_present ON busbar_webhook_subscriptions (number) WHERE deleted_at IS NULL;

-- Every version that a subscription had, the present one included. Nothing secret.
CREATE TABLE busbar_webhook_subscription_versions (
  id text NOT NULL,
  version integer NOT NULL,
  enabled integer NOT NULL,
  notifier text NOT NULL,
  destination text NOT NULL,
  label text,
  scope text,
  events text NOT NULL,
  options text NOT NULL,
  secrets text NOT NULL,
  disabled_kind text,
  disabled_at bigint,
  disabled_detail text,
  created_at bigint NOT NULL,
  created_by text,
  modified_at bigint NOT NULL,
  modified_by text,
  deleted_at bigint,
  PRIMARY KEY (id, version)
);

-- The state of a subscription's endpoint. Made with the subscription, and locked while deliveries of it are claimed.
-- breaker: closed, open, or half-open (one attempt at a time). rate_window: JSON, the attempts of the last period
CREATE TABLE busbar_webhook_endpoints (
  subscription_id text PRIMARY KEY,
  breaker text NOT NULL DEFAULT 'closed',
  failures bigint NOT NULL DEFAULT 0,
  retryable_failures bigint NOT NULL DEFAULT 0,
  failing_since bigint,
  open_until bigint,
  opened integer NOT NULL DEFAULT 0,
  warned integer NOT NULL DEFAULT 0,
  not_before bigint,
  rate_window text
);

-- Each event once, with its payload once. args: JSON, NULL where the arguments are the payload. payload: JSON, NULL
-- while it is made anew for each attempt. snapshot: JSON, the payload at the time of the emit. expunged: whether all of
-- them were deleted before the event is. indexed: whether busbar_webhook_terms has payload and snapshot
CREATE TABLE busbar_webhook_events (
  number {{serial}},
  id text NOT NULL,
  name text NOT NULL,
  scope text,
  ordering_key text,
  args text,
  payload text,
  snapshot text,
  metadata text NOT NULL,
  occurred_at bigint NOT NULL,
  created_at bigint NOT NULL,
  expunged integer NOT NULL DEFAULT 0,
  indexed integer NOT NULL DEFAULT 0
);

CREATE UNIQUE INDEX busbar_webhook_events_id ON busbar_webhook_events (id);

CREATE INDEX busbar_webhook_events_unindexed ON busbar_webhook_events (number) WHERE indexed = 0;

-- One row for each event and subscription. state: waiting, running (until leased_until, under claim), delivered, dead,
-- cancelled. due_at: NULL while it waits for the one before it of its ordering key. payload_mode: emitted (the event's
-- snapshot), once (its payload) or attempt. chain_attempts: attempts since the last replay, which began at chain_since;
-- NULL without one. no_retry: the event says that failures are final
CREATE TABLE busbar_webhook_deliveries (
  number {{serial}},
  id text NOT NULL,
  event_id text NOT NULL,
  subscription_id text NOT NULL,
  subscription_version integer NOT NULL,
  event_name text NOT NULL,
  scope text,
  payload_mode text NOT NULL DEFAULT 'once',
  state text NOT NULL,
  due_at bigint,
  claim text,
  leased_until bigint,
  attempts integer NOT NULL DEFAULT 0,
  chain_attempts integer NOT NULL DEFAULT 0,
  chain_since bigint,
  next_trigger text NOT NULL,
  no_retry integer NOT NULL DEFAULT 0,
  ordering_key text,
  sequence bigint,
  replay_id text,
  created_at bigint NOT NULL,
  first_attempt_at bigint,
  last_attempt_at bigint,
  last_status integer,
  last_error_class text
);

CREATE UNIQUE INDEX busbar_webhook_deliveries_id ON busbar_webhook_deliveries (id);

CREATE INDEX busbar_webhook_deliveries_created ON busbar_webhook_deliveries (created_at, number);

CREATE INDEX busbar_webhook_deliveries_named ON busbar_webhook_deliveries (event_name, created_at, number);

CREATE INDEX busbar_webhook_deliveries_error ON busbar_webhook_deliveries (last_error_class, created_at, number)
  WHERE last_error_class IS NOT NULL;

CREATE UNIQUE INDEX busbar_webhook_deliveries_once ON busbar_webhook_deliveries (event_id, subscription_id);

CREATE INDEX busbar_webhook_deliveries_due ON busbar_webhook_deliveries (subscription_id, due_at, number)
  WHERE state = 'waiting' AND due_at IS NOT NULL;

CREATE INDEX busbar_webhook_deliveries_held ON busbar_webhook_deliveries (subscription_id, ordering_key, number)
  WHERE state = 'waiting' AND due_at IS NULL;

CREATE INDEX busbar_webhook_deliveries_running ON busbar_webhook_deliveries (subscription_id, leased_until)
  WHERE state = 'running';

CREATE INDEX busbar_webhook_deliveries_dead ON busbar_webhook_deliveries (last_attempt_at) WHERE state = 'dead';

CREATE INDEX busbar_webhook_deliveries_ordered ON busbar_webhook_deliveries (subscription_id, ordering_key, state, number)
  WHERE ordering_key IS NOT NULL AND state IN ('waiting', 'running', 'dead');

-- How many deliveries each ordering key of a subscription has had.
CREATE TABLE busbar_webhook_sequences (
  subscription_id text NOT NULL,
  ordering_key text NOT NULL,
  last bigint NOT NULL,
  used_at bigint NOT NULL,
  PRIMARY KEY (subscription_id, ordering_key)
);

-- One row for each attempt, and for each failure to make a payload, which has no delivery. trigger_kind: first, retry,
-- manual, replay, resolve. payload: what was sent, where it was made for this attempt. indexed: whether
-- busbar_webhook_terms has payload, error and response
CREATE TABLE busbar_webhook_attempts (
  id {{serial}},
  delivery_id text,
  event_id text NOT NULL,
  event_name text NOT NULL,
  subscription_id text,
  number integer NOT NULL,
  trigger_kind text NOT NULL,
  success integer NOT NULL,
  status integer,
  error_class text,
  error text,
  started_at bigint NOT NULL,
  duration_ms integer NOT NULL,
  next_at bigint,
  request_headers text,
  response text,
  payload text,
  indexed integer NOT NULL DEFAULT 0
);

CREATE UNIQUE INDEX busbar_webhook_attempts_delivery ON busbar_webhook_attempts (delivery_id, number);

CREATE INDEX busbar_webhook_attempts_event ON busbar_webhook_attempts (event_id);

CREATE INDEX busbar_webhook_attempts_started ON busbar_webhook_attempts (started_at, id);

CREATE INDEX busbar_webhook_attempts_failed ON busbar_webhook_attempts (started_at, id) WHERE success = 0;

CREATE INDEX busbar_webhook_attempts_error ON busbar_webhook_attempts (error_class, started_at, id)
  WHERE error_class IS NOT NULL;

CREATE INDEX busbar_webhook_attempts_named ON busbar_webhook_attempts (event_name, started_at, id);

CREATE INDEX busbar_webhook_attempts_subscription ON busbar_webhook_attempts (subscription_id, started_at, id);

CREATE INDEX busbar_webhook_attempts_unindexed ON busbar_webhook_attempts (id) WHERE indexed = 0;

-- What can be found in payloads, errors and responses. document: twice the number of an event for its payload, one more
-- for its snapshot; the negated id of an attempt for what the attempt has. path: data.… of a payload, error, response.
-- term: a value, or a word of it, in lower case. amount: the value as a number
CREATE TABLE busbar_webhook_terms (
  document bigint NOT NULL,
  path {{bytewise}} NOT NULL,
  term {{bytewise}} NOT NULL,
  amount double precision,
  PRIMARY KEY (document, path, term)
) {{clustered}};

CREATE INDEX busbar_webhook_terms_term ON busbar_webhook_terms (path, term, document);

CREATE INDEX busbar_webhook_terms_amount ON busbar_webhook_terms (path, amount, document) WHERE amount IS NOT NULL;

-- state: running, done, cancelled, failed. While it runs, one process has it under claim until leased_until, or none has
-- it, and the next step is due then. options: JSON, what was asked for. position: the cursor of the log up to which
-- deliveries were begun again
CREATE TABLE busbar_webhook_replays (
  number {{serial}},
  id text NOT NULL,
  state text NOT NULL,
  options text NOT NULL,
  total bigint NOT NULL,
  done bigint NOT NULL DEFAULT 0,
  skipped bigint NOT NULL DEFAULT 0,
  position text,
  claim text,
  leased_until bigint NOT NULL,
  created_at bigint NOT NULL,
  created_by text,
  finished_at bigint,
  error text
);

CREATE UNIQUE INDEX busbar_webhook_replays_id ON busbar_webhook_replays (id);

CREATE INDEX busbar_webhook_replays_running ON busbar_webhook_replays (leased_until) WHERE state = 'running';

-- Requests with an idempotency key, for a day. answer: encrypted, as it may hold a secret; NULL while the request is
-- being handled (until claimed_until)
CREATE TABLE busbar_webhook_requests (
  caller text NOT NULL,
  request_key text NOT NULL,
  fingerprint text NOT NULL,
  claimed_until bigint NOT NULL,
  answer text,
  created_at bigint NOT NULL,
  PRIMARY KEY (caller, request_key)
);

CREATE INDEX busbar_webhook_requests_created ON busbar_webhook_requests (created_at);

-- What one process does at a time: it is the holder's until held_until. Without a holder, it is due then.
CREATE TABLE busbar_webhook_leases (
  name text PRIMARY KEY,
  holder text,
  held_until bigint NOT NULL
);

INSERT INTO busbar_webhook_leases (name, held_until) VALUES ('retention', 0);
`,
  },
] as const;

/** The versions of the tables, as `migrate` of `@busbar/sql` takes them. */
export const MIGRATIONS: Migrations = {
  feature: "webhooks",
  module: "@busbar/webhooks",
  versions: {
    postgres: versionsWith({
      serial: "bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
      bytewise: 'text COLLATE "C"',
      clustered: "",
    }),
    sqlite: versionsWith({
      serial: "integer PRIMARY KEY AUTOINCREMENT",
      bytewise: "text",
      clustered: "WITHOUT ROWID",
    }),
  },
};

function versionsWith(
  words: Readonly<Record<"serial" | "bytewise" | "clustered", string>>,
): Migrations["versions"]["postgres"] {
  return TABLES.map(({ version, sql }) => ({
    version,
    sql: sql.replaceAll(/ ?\{\{(\w+)\}\}/g, (_, name: keyof typeof words) =>
      words[name] === "" ? "" : ` ${words[name]}`,
    ),
  }));
}
