import { createSecureContext } from "node:tls";
import { z } from "zod";
import type { ClientTls } from "./connector.ts";

const pem = z.string().min(1).max(65_536);
/** The form of the TLS settings of a subscription. The key is secret. */
export const tlsSettings: z.ZodType<ClientTls, ClientTls> = z
  .strictObject({
    cert: pem.optional().meta({ title: "Client certificate", description: "As PEM" }),
    key: pem
      .optional()
      .meta({ writeOnly: true, title: "Key of the client certificate", description: "As PEM" }),
    ca: pem.optional().meta({
      title: "Authorities",
      description: "Certificates as PEM, to trust instead of the well-known ones",
    }),
  })
  .superRefine(({ cert, key, ca }, context) => {
    const refuse = (path: string, message: string): void =>
      context.addIssue({ code: "custom", message, path: [path] });
    if (cert !== undefined && key === undefined) refuse("key", "must be given with a certificate");
    if (key !== undefined && cert === undefined) refuse("cert", "must be given with a key");
    if (!isUsable({ ca })) refuse("ca", "must be certificates as PEM");
    else if (cert !== undefined && key !== undefined && !isUsable({ cert, key })) {
      refuse("cert", "must be a certificate as PEM, and key must be its key");
    }
  });

function isUsable(parts: ClientTls): boolean {
  try {
    const { ca, cert, key } = parts;
    createSecureContext({
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && { cert, key }),
    });
    return true;
  } catch {
    return false;
  }
}
