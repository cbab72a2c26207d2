import type { Migration } from "@busbar/sql/feature";
import { PARTS_SQL } from "./parts.ts";

const CORE_SQL = `
-- What a publish goes by: one row. list: the subscriptions as JSON. version: goes up when routing changes.
CREATE TABLE registry (
  is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
  version bigint NOT NULL,
  list text NOT NULL
);

-- A short name for each subscription.
CREATE TABLE queues (
  number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  subscription_id text NOT NULL UNIQUE
);

-- Envelopes, each once for all its subscriptions.
CREATE TABLE events (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  body text NOT NULL
);
ALTER TABLE events ALTER COLUMN body SET STORAGE EXTERNAL;

-- What is to be delivered. Times are milliseconds since the epoch. A row with a token is in flight, or its process died.
CREATE TABLE deliveries (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  queue integer NOT NULL,
  event bigint NOT NULL,
  priority integer NOT NULL,
  due_at bigint NOT NULL,
  published_at bigint NOT NULL,
  token text,
  leased_until bigint NOT NULL DEFAULT 0,
  crashes integer NOT NULL DEFAULT 0,
  state text
) WITH (fillfactor = 70);

CREATE INDEX deliveries_next ON deliveries (queue, priority, due_at, id);

CREATE INDEX deliveries_events ON deliveries (event);

CREATE TABLE dead_letters (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  queue integer NOT NULL,
  envelope text NOT NULL,
  reason text NOT NULL,
  state text NOT NULL,
  died_at bigint NOT NULL
);

CREATE INDEX dead_letters_pages ON dead_letters (queue, id);

-- What subscriptions remember. A deduplication id counts for each of them apart.
CREATE TABLE deduplications (
  queue integer NOT NULL,
  id text NOT NULL,
  until bigint NOT NULL,
  PRIMARY KEY (queue, id)
);

CREATE INDEX deduplications_until ON deduplications (until);

INSERT INTO registry (version, list) VALUES (0, '{"subscriptions":[],"renamed":[]}');
`;

/** The versions of the schema, oldest first. A released version never changes. */
export const MIGRATIONS: readonly Migration[] = [{ version: 1, sql: CORE_SQL + PARTS_SQL }];
