/** What is wrong with one place in a message, a configuration or a payload. */
export interface Issue {
  /** Where, such as `[2].options.attempts`. Empty for the whole. */
  readonly path: string;
  readonly reason: string;
}
