// The build of Awilix without `loadModules`, which is not used here: what it needs to search folders takes longer to
// load than all the rest that `createApp` loads.
import {
  asValue,
  type AwilixContainer,
  createContainer,
  InjectionMode,
  type ResolveOptions,
  type Resolver,
} from "awilix/browser";

import type { ContainerKey } from "../contract/container.ts";
import { quoted } from "../errors/quoted.ts";
import { didYouMean } from "../values/arguments.ts";

export { asClass, asFunction, asValue } from "awilix/browser";

/**
 * How the container makes one service: `asValue(x)`, `asFunction(({ logger }) => …)` or
 * `asClass(Payments)`, with `.singleton()`, `.scoped()` and `.disposer(…)` where they apply.
 */
export type ServiceResolver<T = unknown> = Resolver<T>;

/**
 * An application's container: Awilix, with PROXY injection and in strict mode. Its `loadModules` throws: name services in
 * the configuration, or register them.
 */
export type AppContainer<Cradle extends object = object> = {
  resolve<T>(key: ContainerKey<T>, options?: ResolveOptions): T;
} & AwilixContainer<Cradle>;

/** Whether a value is a resolver, as {@link asValue} and its siblings make them. */
export function isServiceResolver(value: unknown): value is ServiceResolver {
  return (
    typeof value === "object" &&
    value !== null &&
    "resolve" in value &&
    typeof value.resolve === "function"
  );
}

/** Makes a container with PROXY injection, in strict mode. */
export function createAppContainer<Cradle extends object>(
  services: Readonly<Record<string, ServiceResolver>>,
): AppContainer<Cradle> {
  const container = createContainer<Cradle>({ injectionMode: InjectionMode.PROXY, strict: true });
  for (const [name, resolver] of Object.entries(services)) container.register(name, resolver);
  return namingUnknown(Object.assign(container, { loadModules }));
}

/** Has a container, and the scopes that it makes, say which service may have been meant. */
function namingUnknown<Cradle extends object>(
  container: AppContainer<Cradle>,
): AppContainer<Cradle> {
  const resolve = container.resolve.bind(container) as (
    name: string | symbol,
    options?: ResolveOptions,
  ) => unknown;
  const createScope = container.createScope.bind(container);
  return Object.assign(container, {
    resolve(name: string | symbol, options?: ResolveOptions) {
      if (options?.allowUnregistered !== true && !container.hasRegistration(name)) {
        throw unknownService(String(name), container);
      }
      return resolve(name, options);
    },
    createScope: () => namingUnknown(createScope() as AppContainer<Cradle>),
  });
}

function unknownService(name: string, { registrations }: AppContainer): TypeError {
  const known = Reflect.ownKeys(registrations).map(String);
  return new TypeError(
    `The container has no service ${quoted(name)}${didYouMean(name, known)} (A service is named in \`services\` of the configuration, or registered)`,
  );
}

/** Takes the place of a method whose message speaks of browsers. */
function loadModules(): never {
  throw new TypeError(
    "The container of an application cannot load modules: name its services in the configuration, or call register()",
  );
}

/** Registers a value as it is. The container never disposes it. */
export function registerValue(container: AppContainer, name: string, value: unknown): void {
  container.register(name, asValue(value));
}
