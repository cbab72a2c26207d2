// The SQL of every version of the tables, as a module: a bundle has no files next to it to read.
import type { Dialect } from "@busbar/sql";
import type { Migration } from "@busbar/sql/feature";

/** The versions for each kind of database, oldest first. A released version never changes. */
export const MIGRATIONS: Readonly<Record<Dialect, readonly Migration[]>> = {
  postgres: [
    {
      version: 1,
      sql: `
-- Events on their way. Times are milliseconds since the epoch: to_timestamp(created_at / 1000.0).
CREATE TABLE busbar_outbox (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  event_id text NOT NULL,
  name text NOT NULL,
  ordering_key text,
  envelope text NOT NULL,
  -- pending: to be published. claimed: in the hand of a relay. delayed: not before available_at. staged: waits in its group.
  -- marked: its group is being released. failed: refused, see error. sent: kept for a while
  state text NOT NULL,
  available_at bigint,
  group_id text,
  step_id text,
  delay_ms bigint,
  expires_at bigint,
  claim text,
  claimed_until bigint,
  attempts integer NOT NULL DEFAULT 0,
  error text,
  created_at bigint NOT NULL
) WITH (fillfactor = 80);

CREATE INDEX busbar_outbox_pending ON busbar_outbox (id) WHERE state = 'pending';

CREATE INDEX busbar_outbox_keys ON busbar_outbox (claim, ordering_key)
  WHERE state = 'claimed' AND ordering_key IS NOT NULL;

CREATE INDEX busbar_outbox_claimed ON busbar_outbox (claimed_until) WHERE state = 'claimed';

CREATE INDEX busbar_outbox_delayed ON busbar_outbox (available_at) WHERE state = 'delayed';

CREATE INDEX busbar_outbox_groups ON busbar_outbox (group_id) WHERE state IN ('staged', 'marked');

CREATE INDEX busbar_outbox_rest ON busbar_outbox (state, created_at) WHERE state IN ('failed', 'sent');

-- What subscriptions have handled.
CREATE TABLE busbar_inbox (
  subscription_id text NOT NULL,
  event_id text NOT NULL,
  handled_at bigint NOT NULL,
  PRIMARY KEY (subscription_id, event_id)
);

CREATE INDEX busbar_inbox_handled_at ON busbar_inbox (handled_at);
`,
    },
  ],
  sqlite: [
    {
      version: 1,
      sql: `
-- Events on their way. Times are milliseconds since the epoch: datetime(created_at / 1000, 'unixepoch').
CREATE TABLE busbar_outbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  event_id TEXT NOT NULL,
  name TEXT NOT NULL,
  ordering_key TEXT,
  envelope TEXT NOT NULL,
  -- pending: to be published. claimed: in the hand of a relay. delayed: not before available_at. staged: waits in its group.
  -- marked: its group is being released. failed: refused, see error. sent: kept for a while
  state TEXT NOT NULL,
  available_at INTEGER,
  group_id TEXT,
  step_id TEXT,
  delay_ms INTEGER,
  expires_at INTEGER,
  claim TEXT,
  claimed_until INTEGER,
  attempts INTEGER NOT NULL DEFAULT 0,
  error TEXT,
  created_at INTEGER NOT NULL
);

CREATE INDEX busbar_outbox_pending ON busbar_outbox (id) WHERE state = 'pending';

CREATE INDEX busbar_outbox_keys ON busbar_outbox (claim, ordering_key)
  WHERE state = 'claimed' AND ordering_key IS NOT NULL;

CREATE INDEX busbar_outbox_claimed ON busbar_outbox (claimed_until) WHERE state = 'claimed';

CREATE INDEX busbar_outbox_delayed ON busbar_outbox (available_at) WHERE state = 'delayed';

CREATE INDEX busbar_outbox_groups ON busbar_outbox (group_id) WHERE state IN ('staged', 'marked');

CREATE INDEX busbar_outbox_rest ON busbar_outbox (state, created_at) WHERE state IN ('failed', 'sent');

-- What subscriptions have handled.
CREATE TABLE busbar_inbox (
  subscription_id TEXT NOT NULL,
  event_id TEXT NOT NULL,
  handled_at INTEGER NOT NULL,
  PRIMARY KEY (subscription_id, event_id)
);

CREATE INDEX busbar_inbox_handled_at ON busbar_inbox (handled_at);
`,
    },
  ],
};
