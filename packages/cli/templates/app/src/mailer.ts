export interface Mail {
  /** Deliveries may repeat. The mail service sends one mail for each key. */
  readonly key: string;
  readonly to: string;
  readonly text: string;
}

/** Stands for a mail service. */
export class Mailer {
  async send({ to, text }: Mail): Promise<void> {
    console.log(`Mail to ${to}: ${text}`);
  }
}
