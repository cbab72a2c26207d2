import type { ConnectedFaults } from "@busbar/conformance";

/**
 * How the suite breaks a durable provider. It asks for them once `capabilities.durable` is true. Write each hook, then
 * run `npm test`, and at last `BUSBAR_CONFORMANCE=stress npm test`.
 *
 * `createFaultProxy({ host, port })` of `@busbar/conformance` listens in front of a broker and has `cut`, `halfOpen`
 * and `heal`. A store without a connection, such as a file, needs `{ connection: false, module }` alone.
 */
export function createFaults(): ConnectedFaults {
  return {
    connection: true,
    // Makes the provider in the processes that are killed with SIGKILL.
    module: new URL("create-provider.ts", import.meta.url),
    restart: () => missing("restart", "stop the broker, and start it again with what it has kept"),
    cut: () =>
      missing("cut", "end every connection to the broker, and refuse new ones until heal()"),
    halfOpen: () => missing("halfOpen", "let open connections go silent without ending them"),
    heal: () => missing("heal", "let new connections work again"),
  };
}

async function missing(hook: string, duty: string): Promise<never> {
  throw new Error(`${hook}() of test/faults.ts is not written yet. It must ${duty}`);
}
