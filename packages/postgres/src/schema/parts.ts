/** The tables of groups, schedules, rates and the board, as SQL. Names are found by `search_path`. */
export const PARTS_SQL = `
-- Events that wait in groups, in the order of id. Times are milliseconds since the epoch.
CREATE TABLE staged_events (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  group_id text NOT NULL,
  -- staged: waits for a release. marked: is being released. unreadable: kept for a person to look at
  state text NOT NULL DEFAULT 'staged',
  name text NOT NULL,
  step_id text,
  envelope text NOT NULL,
  staged_at bigint NOT NULL,
  -- Milliseconds that the group lives after this event. NULL: for ever
  ttl_ms bigint
);

CREATE INDEX staged_events_groups ON staged_events (group_id, staged_at, id);

CREATE INDEX staged_events_marked ON staged_events (id) WHERE state = 'marked';

CREATE INDEX staged_events_expiring ON staged_events ((staged_at + ttl_ms))
  WHERE state = 'staged' AND ttl_ms IS NOT NULL;

-- The right to release a group, of one process at a time.
CREATE TABLE staged_claims (
  group_id text PRIMARY KEY,
  claim text NOT NULL,
  ends_at bigint NOT NULL
);

CREATE SEQUENCE schedule_versions;

CREATE TABLE schedules (
  id text PRIMARY KEY,
  record text NOT NULL,
  due_at bigint,
  version bigint NOT NULL
);

CREATE INDEX schedules_due ON schedules (due_at) WHERE due_at IS NOT NULL;

-- The last starts of each subscription with a rate: as many as the largest rate that was asked for.
CREATE TABLE rates (
  subscription text PRIMARY KEY,
  starts bigint[] NOT NULL,
  most integer NOT NULL,
  answer bigint[] NOT NULL
) WITH (fillfactor = 50);

-- Reserves starts of runs. The run that is max_runs runs later starts per_ms later at the earliest. answer: the time,
-- how many milliseconds from then each start is, and if not all are within the horizon, the same of the next one.
CREATE FUNCTION reserve_starts(known bigint[], known_most integer, max_runs integer, per_ms bigint,
  wanted integer, horizon_ms bigint, OUT starts bigint[], OUT most integer, OUT answer bigint[])
LANGUAGE plpgsql AS $$
DECLARE
  -- By now, and not by the beginning of the statement: it may have waited for the row.
  now_ms bigint := extract(epoch FROM clock_timestamp()) * 1000;
  latest bigint := now_ms + greatest(horizon_ms, per_ms);
  count integer := cardinality(known);
  start bigint;
BEGIN
  starts := known;
  most := greatest(known_most, max_runs);
  answer := ARRAY[now_ms];
  -- No start is as late unless the clock was set back since. Then it counts from now on.
  IF starts[count] > latest THEN
    starts := ARRAY(SELECT CASE WHEN at > latest THEN now_ms ELSE at END FROM unnest(starts) AS at ORDER BY 1);
  END IF;
  FOR run IN 1..wanted LOOP
    start := now_ms;
    IF count >= max_runs THEN start := greatest(start, starts[count - max_runs + 1] + per_ms); END IF;
    answer := answer || (start - now_ms);
    EXIT WHEN start - now_ms > horizon_ms;
    starts := starts || start;
    count := count + 1;
    -- Another release may have reserved later ones.
    IF starts[count - 1] > start THEN
      starts := ARRAY(SELECT at FROM unnest(starts) AS at ORDER BY at);
    END IF;
  END LOOP;
  starts := starts[greatest(1, count - most + 1):];
END $$;

-- What instances show each other. A crash of PostgreSQL empties these tables.
CREATE UNLOGGED TABLE board_reports (
  instance_id text PRIMARY KEY,
  report text NOT NULL,
  written_at bigint NOT NULL,
  expires_at bigint NOT NULL
);

CREATE UNLOGGED TABLE board_feed (
  number bigint PRIMARY KEY,
  entry text NOT NULL,
  shown_at bigint NOT NULL
);

CREATE UNLOGGED TABLE board_state (
  is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
  -- The number of the last entry of the feed.
  feed_end bigint NOT NULL,
  watched_until bigint NOT NULL DEFAULT 0
);
`;
