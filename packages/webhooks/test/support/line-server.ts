import { once } from "node:events";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { createServer as createTlsServer, type TlsOptions } from "node:tls";

/** A server that reads lines. */
export interface LineServer extends AsyncDisposable {
  readonly destination: string;
  readonly lines: string[];
  /** Connections so far. */
  readonly opened: number;
  /** Connections that are open. */
  readonly open: number;
  /** Resolves when there were so many lines. */
  received(count: number): Promise<void>;
  /** Closes the connections, and takes others. */
  drop(): void;
  close(): Promise<void>;
}

/** @param answer What a line is answered; undefined: nothing. */
export async function startLineServer(
  answer: (line: string, socket: Socket) => string | undefined,
  tls?: TlsOptions,
): Promise<LineServer> {
  const lines: string[] = [];
  const sockets = new Set<Socket>();
  let opened = 0;
  let look = (): void => {};
  const onSocket = (socket: Socket): void => {
    opened += 1;
    sockets.add(socket.on("error", () => {}).once("close", () => sockets.delete(socket)));
    createInterface(socket).on("line", (line) => {
      lines.push(line);
      look();
      const text = answer(line, socket);
      if (text !== undefined) socket.write(text);
    });
  };
  const server: Server = tls ? createTlsServer(tls, onSocket) : createServer(onSocket);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const drop = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const close = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = once(server, "close");
    server.close();
    drop();
    await closed;
  };
  return {
    destination: `${tls ? "tls" : "tcp"}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    lines,
    get opened() {
      return opened;
    },
    get open() {
      return sockets.size;
    },
    received: (count) =>
      new Promise((resolve) => {
        look = () => {
          if (lines.length >= count) resolve();
        };
        look();
      }),
    drop,
    close,
    [Symbol.asyncDispose]: close,
  };
}
