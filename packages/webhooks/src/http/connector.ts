import type { Socket } from "node:net";
import { callbackify } from "node:util";
import { buildConnector } from "undici";
import type { AddressGuard } from "./guard.ts";
import { HttpFault } from "./http-fault.ts";
import type { Tunnel } from "./tunnel.ts";

/** What a TLS connection to a destination is made with, as PEM. Its certificate is always checked. */
export interface ClientTls {
  /** Authorities to trust instead of the well-known ones. */
  readonly ca?: string | undefined;
  /** The certificate that we show. */
  readonly cert?: string | undefined;
  /** The key of the certificate that we show. */
  readonly key?: string | undefined;
}

type Target = buildConnector.Options;

/** How a connector connects. */
export interface ConnectorOptions {
  readonly guard: AddressGuard;
  readonly tunnel: Tunnel | undefined;
  /** Milliseconds for the look-up, the connection and TLS together. */
  readonly connectTimeoutMs: number;
  readonly tls: ClientTls | undefined;
}

/** Milliseconds for one of several addresses of a host before the next one is tried. */
const NEXT_ADDRESS_AFTER_MS = 1_000;

/** Makes the function that connects a client of undici: only to what the guard lets through. */
export function createConnector(options: ConnectorOptions): buildConnector.connector {
  const { guard, tunnel, connectTimeoutMs, tls } = options;
  const connect = buildConnector({
    ...tls,
    allowH2: false,
    timeout: connectTimeoutMs,
    lookup: guard.socketLookup,
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: NEXT_ADDRESS_AFTER_MS,
  });
  return (target, callback) => {
    try {
      guard.assertHost(target.hostname);
    } catch (error) {
      callback(error as Error, null);
      return;
    }
    if (tunnel) {
      throughTunnel(tunnel, connect, target, callback);
      return;
    }
    const finish = withinTime(connectTimeoutMs, callback);
    connect(target, (...[error, socket]) => {
      if (error) {
        finish(error, null);
        return;
      }
      try {
        assertOpen(socket);
        guard.assertPeer(socket.remoteAddress);
      } catch (blocked) {
        socket.destroy();
        finish(blocked as Error, null);
        return;
      }
      finish(null, socket);
    });
  };
}

/** Calls back once: the timer of undici is up to a second late. */
function withinTime(timeoutMs: number, callback: buildConnector.Callback): buildConnector.Callback {
  let isOver = false;
  const timer = setTimeout(() => {
    isOver = true;
    callback(new HttpFault("connect_timeout", `There was no connection in ${timeoutMs} ms`), null);
  }, timeoutMs);
  return (...result) => {
    clearTimeout(timer);
    if (isOver) result[1]?.destroy();
    else callback(...result);
  };
}

function assertOpen({ remoteAddress, destroyed }: Socket): void {
  if (remoteAddress !== undefined && !destroyed) return;
  throw new HttpFault("connection_reset", "The connection was closed as soon as it was open");
}

/** Answers as a connector does. What the callback throws is not taken for a fault of the tunnel. */
const openTunnel = callbackify((tunnel: Tunnel, { hostname, port, protocol }: Target) =>
  tunnel.open(hostname, Number(port) || (protocol === "https:" ? 443 : 80)),
);

function throughTunnel(
  tunnel: Tunnel,
  connect: buildConnector.connector,
  target: Target,
  callback: buildConnector.Callback,
): void {
  openTunnel(tunnel, target, (error, httpSocket) => {
    if (error) callback(error, null);
    else if (target.protocol === "https:") connect({ ...target, httpSocket }, callback);
    else callback(null, httpSocket);
  });
}
