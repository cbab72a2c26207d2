/** What can be created. */
export const PROJECT_KINDS = ["app", "provider", "notifier"] as const;

/** One of {@link PROJECT_KINDS}. */
export type ProjectKind = (typeof PROJECT_KINDS)[number];

/** The providers that an application can begin with. */
export const PROVIDERS = ["local", "redis", "postgres", "nats"] as const;

/** One of {@link PROVIDERS}. */
export type ProviderName = (typeof PROVIDERS)[number];

/** Packages that an application can have besides its provider. */
export const FEATURES = ["outbox", "webhooks", "dashboard"] as const;

/** Package managers that are known. */
export const PACKAGE_MANAGERS = ["npm", "pnpm", "yarn", "bun"] as const;

/** One of {@link PACKAGE_MANAGERS}. */
export type PackageManager = (typeof PACKAGE_MANAGERS)[number];

/** What a project is to be. */
export interface ProjectPlan {
  readonly kind: ProjectKind;
  /** The absolute path of its folder. */
  readonly directory: string;
  /** The name of its package. */
  readonly name: string;
  /** Who installs its packages. */
  readonly packageManager: PackageManager;
  /** The provider of an application. */
  readonly provider: ProviderName;
  /** The features of an application. */
  readonly features: readonly (typeof FEATURES)[number][];
}
