import type { JsonValue } from "../contract/json.ts";
import type { Plugin, Sending } from "../contract/plugin.ts";
import type { Envelope } from "../contract/provider.ts";
import { setMember } from "../values/json.ts";

type SendHook = NonNullable<Plugin["sending"]>;

/** What plugins do around each send of events. */
export class SendHooks {
  /** The innermost first. */
  readonly #hooks: readonly SendHook[];

  constructor(hooks: readonly SendHook[]) {
    this.#hooks = hooks;
  }

  /** The hooks of plugins. Undefined if no plugin has one, so that a send need not ask. */
  static of(plugins: readonly Plugin[]): SendHooks | undefined {
    const hooks = plugins.flatMap((plugin) => plugin.sending?.bind(plugin) ?? []).toReversed();
    return hooks.length > 0 ? new SendHooks(hooks) : undefined;
  }

  /** Sends within the hooks. Metadata that hooks add is set on the envelopes of an `emit` or a `stage`. */
  run<T>(
    kind: Sending["kind"],
    envelopes: readonly Envelope[],
    send: () => Promise<T>,
  ): Promise<T> {
    if (envelopes.length === 0) return send();
    const sending: Sending = { kind, events: envelopes };
    const isNew = kind === "emit" || kind === "stage";
    let next = send;
    for (const hook of this.#hooks) {
      const rest = next;
      let isCalled = false;
      next = () =>
        hook(sending, (metadata) => {
          // The events would be sent twice.
          if (isCalled) throw new TypeError("A plugin's sending() may call next() once");
          isCalled = true;
          if (metadata && isNew) setMetadata(envelopes, metadata);
          return rest();
        });
    }
    return next();
  }
}

/** The envelopes are made for this send, with metadata of their own. */
function setMetadata(
  envelopes: readonly Envelope[],
  added: Readonly<Record<string, JsonValue | undefined>>,
): void {
  for (const { metadata } of envelopes) {
    const changed = metadata as Record<string, unknown>;
    for (const [name, value] of Object.entries(added)) {
      if (value !== undefined) setMember(changed, name, value);
      else if (name in changed) delete changed[name];
    }
  }
}
