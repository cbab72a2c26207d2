import type { Migration } from "@busbar/sql/feature";
import { PARTS_SQL } from "./parts.ts";

const CORE_SQL = `
-- What a publish goes by: one row. list: the subscriptions as JSON. version: goes up when routing changes.
CREATE TABLE registry (
  is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
  version bigint NOT NULL,
  list text NOT NULL
);

-- A short name for each subscription. renamed_to: the queue of its present id. Without a subscription: it is retired.
CREATE TABLE queues (
  number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  subscription_id text UNIQUE,
  renamed_to integer
);

-- Events that were published together, each once for all its subscriptions. body: an encoded envelope on each line.
CREATE TABLE packs (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  body text NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);

-- lz4 halves the time of a publish. PostgreSQL 13 lacks it, and it can be left out of others: then bodies are not compressed.
DO $$ BEGIN
  EXECUTE 'ALTER TABLE packs ALTER COLUMN body SET COMPRESSION lz4';
EXCEPTION WHEN syntax_error OR feature_not_supported OR invalid_parameter_value THEN
  ALTER TABLE packs ALTER COLUMN body SET STORAGE EXTERNAL;
END $$;

-- Each consumer has a lease on what it has in flight. until: milliseconds since the epoch, as all times.
CREATE TABLE leases (
  id text PRIMARY KEY,
  until bigint NOT NULL
);

-- What is to be delivered to a subscription: lines of a pack. A row with several lines has no state and no crashes.
CREATE TABLE deliveries (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  queue integer NOT NULL,
  pack bigint NOT NULL,
  -- The lines of the pack, from 0 on, that are not settled.
  members smallint[] NOT NULL,
  priority integer NOT NULL,
  -- The place among deliveries of the same priority.
  position bigint NOT NULL,
  -- 0: at once.
  due_at bigint NOT NULL,
  published_at bigint NOT NULL,
  -- The consumer that has it in flight.
  lease text,
  crashes integer NOT NULL DEFAULT 0,
  -- How often its process ended while it was in flight. Such deliveries begin one at a time in each process.
  suspicions integer NOT NULL DEFAULT 0,
  -- Whether it is the only one of these that has begun, so that a crash of the process counts.
  is_alone boolean NOT NULL DEFAULT false,
  state text
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);

CREATE SEQUENCE positions;

CREATE INDEX deliveries_ready ON deliveries (queue, priority, position)
  WHERE lease IS NULL AND due_at = 0 AND suspicions = 0;

CREATE INDEX deliveries_due ON deliveries (queue, due_at)
  WHERE lease IS NULL AND due_at > 0 AND suspicions = 0;

CREATE INDEX deliveries_suspects ON deliveries (queue, position) WHERE lease IS NULL AND suspicions > 0;

CREATE INDEX deliveries_in_flight ON deliveries (lease) WHERE lease IS NOT NULL;

CREATE INDEX deliveries_packs ON deliveries (pack);

CREATE TABLE dead_letters (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  queue integer NOT NULL,
  envelope text NOT NULL,
  reason text NOT NULL,
  state text NOT NULL,
  died_at bigint NOT NULL
);

CREATE INDEX dead_letters_ages ON dead_letters (died_at);

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
