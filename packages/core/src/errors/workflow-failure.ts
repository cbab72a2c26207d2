/** Which steps of a failed workflow could not be undone. */
export interface WorkflowFailureDetails {
  /** The name of the workflow that failed. */
  readonly workflowId: string;
  /** Identifies the run that failed. */
  readonly transactionId: string;
  /** The step whose failure began it. */
  readonly step: string;
  /** The steps whose compensation failed, and how. */
  readonly compensations: readonly { readonly step: string; readonly error: unknown }[];
}
