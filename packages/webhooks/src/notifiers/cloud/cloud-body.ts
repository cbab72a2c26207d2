import type { NotifierRequest } from "../../contract/notifier.ts";
import { toCloudEvent } from "../../signing/cloud-event.ts";

/** How a message has its CloudEvent: the payload with attributes beside it, or all in one JSON. */
export type CloudMode = "binary" | "structured";

/** The modes, the default first. */
export const CLOUD_MODES: readonly CloudMode[] = ["binary", "structured"];

/** A message for a protocol that has attributes beside the body. */
export interface CloudMessage {
  readonly contentType: string;
  /** The attributes of the CloudEvent, with the prefix of the protocol. None in structured mode. */
  readonly attributes: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** Writes a CloudEvent as a protocol's binding says. */
export function cloudMessage(
  request: NotifierRequest,
  options: {
    readonly mode: CloudMode;
    /** What the names of attributes begin with. */
    readonly prefix: string;
    readonly source: string | undefined;
  },
): CloudMessage {
  const event = toCloudEvent(request, { source: options.source });
  if (options.mode === "structured") {
    return {
      contentType: "application/cloudevents+json; charset=utf-8",
      attributes: {},
      body: Buffer.from(JSON.stringify(event)),
    };
  }
  const { data, datacontenttype, ...attributes } = event;
  return {
    contentType: datacontenttype,
    attributes: Object.fromEntries(
      Object.entries(attributes).map(([name, value]) => [`${options.prefix}${name}`, value]),
    ),
    body: Buffer.from(JSON.stringify(data)),
  };
}

/**
 * The id by which a service finds repeats. What a person sends again is no repeat: it has an id of its own, or the
 * service would drop it within its window.
 */
export function repeatId({ delivery: { id, attempt, trigger } }: NotifierRequest): string {
  return trigger === "manual" || trigger === "replay" ? `${id}-${attempt}` : id;
}
