/** How the process of the application runs. */
export interface DevOptions {
  /** The absolute path of the configuration file. */
  readonly config: string;
  /** The absolute path of a module whose default export is called with the application. None by default. */
  readonly module?: string | undefined;
  /** Whether each delivery that succeeds is delivered once more. */
  readonly twice: boolean;
  /** Milliseconds after which a handler is slow. */
  readonly slowMs: number;
  /** Whether machines read the output. */
  readonly json: boolean;
  /** Whether the output may have colours. */
  readonly color: boolean;
  /** Whether everything that the bus logs is shown. */
  readonly verbose: boolean;
}

/** What the process of the application is asked to do. */
export type DevCommand =
  | { readonly type: "reload" }
  | {
      readonly type: "stop";
      /** Milliseconds that running handlers have to end. */
      readonly graceMs: number;
    };

/** What the process of the application reports. */
export interface DevReport {
  /** The application runs. */
  readonly type: "ready";
  /** The absolute paths of the folders whose files are subscribers. */
  readonly folders: readonly string[];
}
