/** What is wrong with one place in a message, a configuration or a payload. */
export interface Issue {
  /** Where, such as `[2].options.attempts`. Empty for the whole. */
  readonly path: string;
  /** What is wrong there, such as `must be a whole number from 1`. */
  readonly reason: string;
}
