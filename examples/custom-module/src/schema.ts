export const schema = `
CREATE TABLE IF NOT EXISTS subscriptions (
  id TEXT PRIMARY KEY, events TEXT, ordering TEXT, on_ordered_failure TEXT, aliases TEXT,
  last_seen_at INTEGER,
  renamed_to TEXT -- given: this is an earlier id, and the deliveries are with the present one
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS deliveries ( -- one row per event and subscription, the dead ones too
  id INTEGER PRIMARY KEY AUTOINCREMENT, subscription TEXT NOT NULL, envelope TEXT NOT NULL,
  priority INTEGER NOT NULL, due_at INTEGER NOT NULL,
  key TEXT, -- those of one subscription and key wait for each other
  turn INTEGER NOT NULL, -- 0: waits behind another of its key, 1: may begin, 2: has begun
  lease TEXT, -- of whoever has it in hand, or died with it in hand
  leased_until INTEGER NOT NULL DEFAULT 0, crashes INTEGER NOT NULL DEFAULT 0, state TEXT,
  died_at INTEGER, reason TEXT
);
CREATE INDEX IF NOT EXISTS deliveries_next ON deliveries (subscription, priority, due_at, id)
  WHERE died_at IS NULL AND turn > 0;
CREATE INDEX IF NOT EXISTS deliveries_of_key ON deliveries (subscription, key, turn, id)
  WHERE key IS NOT NULL;
CREATE INDEX IF NOT EXISTS deliveries_dead ON deliveries (subscription, died_at, id)
  WHERE died_at IS NOT NULL;
-- A delivery leaves its key by being deleted, or by losing the key. Then the next one may begin.
CREATE TRIGGER IF NOT EXISTS delivery_deleted AFTER DELETE ON deliveries WHEN old.turn > 0 BEGIN
  UPDATE deliveries SET turn = 1 WHERE id = (SELECT min(id) FROM deliveries
    WHERE subscription = old.subscription AND key = old.key AND turn = 0);
END;
CREATE TRIGGER IF NOT EXISTS delivery_parked AFTER UPDATE OF key ON deliveries
  WHEN old.turn > 0 AND new.key IS NULL BEGIN
  UPDATE deliveries SET turn = 1 WHERE id = (SELECT min(id) FROM deliveries
    WHERE subscription = old.subscription AND key = old.key AND turn = 0);
END;

CREATE TABLE IF NOT EXISTS deduplication_ids (
  subscription TEXT, id TEXT, expires_at INTEGER, PRIMARY KEY (subscription, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS deduplication_ids_expire ON deduplication_ids (expires_at);

CREATE TABLE IF NOT EXISTS staged_events (
  id INTEGER PRIMARY KEY AUTOINCREMENT, group_id TEXT NOT NULL, event TEXT NOT NULL,
  staged_at INTEGER NOT NULL, expires_at INTEGER, marked INTEGER NOT NULL DEFAULT 0,
  claim TEXT, claimed_until INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS staged_events_of_group ON staged_events (group_id, id);
`;
