import { type ProviderHarness, type TestFunction, testProvider } from "@busbar/conformance";
import { pgStore, type SqlStore } from "@busbar/sql";
import pg from "pg";
import { afterAll, test } from "vitest";
import { postgresProvider } from "../../src/postgres-provider.ts";
import { prepareSchema } from "../../src/schema/prepare-schema.ts";
import { schemaNameOf } from "../../src/schema/schema-name.ts";
import { documentedRights } from "./documented-rights.ts";

/** The groups of cases in which the statements decide the most, and no process is killed. */
const HERE = /^(deduplication|groups|operate|schedules|transactions): (?!.*\bprocess)/;

/** A store of a role, and the way to close what it stands on. */
export interface OpenedStore {
  readonly store: SqlStore;
  close(): Promise<unknown>;
}

/**
 * Runs a part of the conformance suite by way of other stores, with a role that has the documented rights and no more.
 *
 * @param open Opens a store for the role.
 */
export async function testPart(
  role: string,
  open: () => OpenedStore,
  beginTransaction: NonNullable<ProviderHarness["beginTransaction"]>,
): Promise<void> {
  const admin = new pg.Pool({ connectionString: process.env["DATABASE_URL"] });
  await admin.query(`CREATE ROLE ${role} LOGIN`);
  afterAll(async () => {
    await admin.query(`DROP ROLE ${role}`);
    await admin.end();
  });
  const here: TestFunction = (name, options, run) =>
    HERE.test(name) ? test(name, options, run) : undefined;
  const nothing = async (): Promise<void> => {};
  await testProvider(here, {
    async create({ namespace }) {
      const schema = schemaNameOf(namespace);
      await prepareSchema(pgStore<pg.PoolClient>({ pool: admin, schema }) as SqlStore, true);
      await admin.query(documentedRights(schema, role));
      const { store, close } = open();
      const options = { store, migrate: false, leaseMs: 1_000, pollEveryMs: 100 };
      const provider = postgresProvider(options);
      const stop = provider.stop.bind(provider);
      let closing: Promise<unknown> | undefined;
      // The store is the caller's, and stays open.
      return Object.assign(provider, {
        stop: async (how: Parameters<typeof stop>[0]) => {
          await stop(how);
          await (closing ??= close());
        },
      });
    },
    cleanup: async ({ namespace }) => {
      await admin.query(`DROP SCHEMA IF EXISTS "${schemaNameOf(namespace)}" CASCADE`);
    },
    beginTransaction,
    // No case here breaks anything.
    faults: {
      connection: true,
      module: new URL(import.meta.url),
      restart: nothing,
      cut: nothing,
      halfOpen: nothing,
      heal: nothing,
    },
  });
}
