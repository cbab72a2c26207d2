import type { ProviderName } from "./project-kinds.ts";

/** What an application needs for its provider. */
interface ProviderNeeds {
  readonly packages: readonly string[];
  /** The variable of the environment that says where the server is, and its value on the machine of a developer. */
  readonly address?: { readonly variable: string; readonly url: string };
}

/** What an application needs for each provider. */
export const PROVIDER_NEEDS: Readonly<Record<ProviderName, ProviderNeeds>> = {
  local: { packages: ["@busbar/local"] },
  redis: {
    packages: ["@busbar/redis", "bullmq", "ioredis"],
    address: { variable: "REDIS_URL", url: "redis://127.0.0.1:6379" },
  },
  postgres: {
    packages: ["@busbar/postgres", "pg"],
    address: { variable: "DATABASE_URL", url: "postgres://127.0.0.1:5432/postgres" },
  },
  nats: {
    packages: ["@busbar/nats", "@nats-io/jetstream", "@nats-io/transport-node"],
    address: { variable: "NATS_URL", url: "nats://127.0.0.1:4222" },
  },
};
