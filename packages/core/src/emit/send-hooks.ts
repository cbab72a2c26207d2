import type { JsonValue } from "../contract/json.ts";
import type { Logger } from "../contract/logger.ts";
import type { Plugin, Sending } from "../contract/plugin.ts";
import type { Envelope } from "../contract/provider.ts";
import { setMember } from "../values/json.ts";
import type { EmitTimeLimit } from "./emit-time-limit.ts";

interface SendHook {
  readonly plugin: string;
  readonly sending: NonNullable<Plugin["sending"]>;
}

/** What {@link SendHooks} need. */
export interface SendHooksOptions {
  readonly timeLimit: EmitTimeLimit;
  readonly logger: Logger;
}

/** One send of events within the hooks of plugins. */
export interface HookedSend<T> {
  readonly kind: Sending["kind"];
  readonly envelopes: readonly Envelope[];
  /** When the send must have ended, on the scale of the clock's `monotonic()`. */
  readonly deadline: number;
  readonly send: () => Promise<T>;
  /** Called with the name of the plugin that holds the send, and with undefined once no plugin holds it. */
  readonly onHeld?: ((plugin: string | undefined) => void) | undefined;
}

/** What plugins do around each send of events. */
export class SendHooks {
  /** The innermost first. */
  readonly #hooks: readonly SendHook[];
  readonly #options: SendHooksOptions;
  #hasWarned = false;

  constructor(hooks: readonly SendHook[], options: SendHooksOptions) {
    this.#hooks = hooks;
    this.#options = options;
  }

  /** The hooks of plugins. Undefined if no plugin has one, so that a send need not ask. */
  static of(plugins: readonly Plugin[], options: SendHooksOptions): SendHooks | undefined {
    const hooks = plugins.flatMap((plugin) => {
      const sending = plugin.sending?.bind(plugin);
      return sending ? { plugin: plugin.name, sending } : [];
    });
    return hooks.length > 0 ? new SendHooks(hooks.toReversed(), options) : undefined;
  }

  /**
   * Sends within the hooks. Metadata that hooks add is set on the envelopes of an `emit` or a `stage`.
   *
   * @throws BusbarError `BUSBAR_EMIT_TIMEOUT` if a hook has not called `next` by the deadline: then nothing is sent,
   *   even if the hook calls `next` later.
   */
  run<T>(hooked: HookedSend<T>): Promise<T> {
    if (hooked.envelopes.length === 0) return hooked.send();
    const call = new HookCall(hooked);
    const answer = call.begin(this.#hooks);
    // A hook that returns what `next` has returned holds nothing.
    if (answer === call.sent) return answer;
    return this.#withinTime(call, Promise.resolve(answer), hooked.deadline);
  }

  async #withinTime<T>(call: HookCall<T>, answer: Promise<T>, deadline: number): Promise<T> {
    const { timeLimit, logger } = this.#options;
    if (!call.sent) {
      const begun = Promise.race([answer, call.whenSent()]);
      try {
        await timeLimit.within(begun, deadline, () => ({ who: `Plugin "${call.heldBy}"` }));
      } catch (error) {
        call.end(error);
        throw error;
      }
    }
    const { sent } = call;
    if (!sent) return answer;
    // The send has the same deadline, and knows more about the outcome than a hook.
    await Promise.race([answer, sent]).catch(() => {});
    let isLate = false;
    const who = this.#hooks.map(({ plugin }) => `"${plugin}"`).join(", ");
    const onLate = () => {
      isLate = true;
      return { who };
    };
    try {
      return await timeLimit.within(answer, deadline, onLate, true);
    } catch (error) {
      if (!isLate) throw error;
      if (!this.#hasWarned) {
        this.#hasWarned = true;
        logger.warn(
          { plugins: this.#hooks.map(({ plugin }) => plugin) },
          `A send has ended, and sending() of a plugin has not: ${who}. Later cases are not logged`,
        );
      }
      return sent;
    }
  }
}

/** One call of all hooks. */
class HookCall<T> {
  /** What the send itself has returned. Undefined until the last hook has called `next`. */
  sent: Promise<T> | undefined;
  /** The plugin that has not called `next`. */
  heldBy: string | undefined;
  readonly #hooked: HookedSend<T>;
  #onSent: (() => void) | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(hooked: HookedSend<T>) {
    this.#hooked = hooked;
  }

  /** Calls the hooks, the outermost first, and returns its answer. */
  begin(hooks: readonly SendHook[]): Promise<T> {
    try {
      return this.#chain(hooks)();
    } catch (error) {
      this.end(error);
      throw error;
    }
  }

  #chain(hooks: readonly SendHook[]): () => Promise<T> {
    const { kind, envelopes } = this.#hooked;
    const sending: Sending = { kind, events: envelopes };
    const isNew = kind === "emit" || kind === "stage";
    let next = (): Promise<T> => this.#send();
    for (const { plugin, sending: hook } of hooks) {
      const rest = next;
      let isCalled = false;
      next = () => {
        this.#hold(plugin);
        return hook(sending, (metadata) => {
          // The caller knows that nothing is sent.
          if (this.#failure) return Promise.reject(this.#failure.error as Error);
          // The events would be sent twice.
          if (isCalled) throw new TypeError("A plugin's sending() may call next() once");
          isCalled = true;
          if (metadata && isNew) setMetadata(envelopes, metadata);
          return rest();
        });
      };
    }
    return next;
  }

  /** Resolves when the last hook has called `next`. */
  whenSent(): Promise<void> {
    return new Promise((resolve) => (this.#onSent = resolve));
  }

  /** Sends nothing any more: a hook that calls `next` gets the error. */
  end(error: unknown): void {
    this.#failure = { error };
    this.#hold(undefined);
  }

  #send(): Promise<T> {
    const sent = this.#hooked.send();
    this.sent = sent;
    this.#hold(undefined);
    this.#onSent?.();
    return sent;
  }

  #hold(plugin: string | undefined): void {
    this.heldBy = plugin;
    this.#hooked.onHeld?.(plugin);
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
