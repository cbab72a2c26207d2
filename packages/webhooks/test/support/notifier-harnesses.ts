import type { Notifier } from "../../src/contract/notifier.ts";
import { httpNotifier } from "../../src/notifiers/http-notifier.ts";
import { stdoutNotifier } from "../../src/notifiers/stdout-notifier.ts";
import { tcpNotifier } from "../../src/notifiers/tcp-notifier.ts";
import {
  type ArrivedDelivery,
  type NotifierHarness,
  type ReceiverOptions,
  startReceiver,
  type TestDestination,
} from "../../src/testing.ts";
import { type LineServer, startLineServer } from "./line-server.ts";

const ALLOW = ["127.0.0.1"];

async function receiving(options?: ReceiverOptions): Promise<TestDestination> {
  const receiver = await startReceiver(options);
  return {
    destination: receiver.url,
    async next() {
      const request = await receiver.next();
      const { data } = request.json() as { data: unknown };
      return { id: String(request.headers["webhook-id"]), data };
    },
    get connections() {
      return receiver.connections;
    },
    close: () => receiver.close(),
  };
}

/** @param of Makes the notifier: the real one, or one with a fault. */
export function httpHarness(of: () => Notifier = httpOf): NotifierHarness {
  return {
    create: of,
    // It repeats what it was sent, as some do.
    accepting: () => receiving({ otherwise: ({ headers }) => ({ body: JSON.stringify(headers) }) }),
    hanging: () => receiving({ otherwise: "hang" }),
    settings: {
      sensitiveHeaders: { "x-api-key": "secret of the header" },
      auth: { type: "basic", username: "me", password: "secret of mine" },
    },
    secrets: ["secret of the header", "secret of mine"],
    badSettings: [
      { settings: { timeoutMs: -1 }, path: "timeoutMs" },
      { settings: { auth: { type: "bearer", token: "" } }, path: "auth.token" },
      { settings: { headers: { host: "a" } }, path: "headers.host" },
    ],
    badDestinations: ["http://169.254.169.254/", "ftp://shop.example/", "shop"],
    unreachable: () => "http://127.0.0.1:1/",
  };
}

/** The notifier as it is. */
export function httpOf(): Notifier {
  return httpNotifier({ allow: ALLOW }) as Notifier;
}

function lines(server: LineServer): TestDestination {
  let taken = 0;
  return {
    destination: server.destination,
    async next() {
      taken += 1;
      await server.received(taken);
      return arrived(server.lines[taken - 1] ?? "");
    },
    get connections() {
      return server.open;
    },
    close: () => server.close(),
  };
}

function arrived(line: string): ArrivedDelivery {
  const { deliveryid: id, data } = JSON.parse(line) as { deliveryid: string; data: unknown };
  return { id, data };
}

export const tcpHarness: NotifierHarness = {
  create: () => tcpNotifier({ allow: ALLOW }) as Notifier,
  accepting: async () => lines(await startLineServer(() => "ok\n")),
  hanging: async () => lines(await startLineServer(() => undefined)),
  badSettings: [{ settings: { acknowledge: "yes" }, path: "acknowledge" }],
  badDestinations: ["tcp://10.0.0.1:80", "tcp://logs", "http://logs:80"],
  unreachable: () => "tcp://127.0.0.1:1",
};

export function stdoutHarness(): NotifierHarness {
  let write: (line: string) => Promise<void> = async () => {};
  const taking = (answer: () => Promise<void>): TestDestination => {
    const waiting: string[] = [];
    let arrive = (): void => {};
    write = (line) => {
      waiting.push(line);
      arrive();
      return answer();
    };
    return {
      destination: "stdout",
      async next() {
        while (waiting.length === 0) {
          await new Promise<void>((resolve) => {
            arrive = resolve;
          });
        }
        return arrived(waiting.shift() ?? "");
      },
      close: async () => {},
    };
  };
  return {
    create: () => stdoutNotifier({ write: (line) => write(line) }) as Notifier,
    accepting: () => taking(async () => {}),
    hanging: () => taking(() => new Promise(() => {})),
    badSettings: [{ settings: 1, path: "" }],
    badDestinations: ["stderr"],
  };
}
