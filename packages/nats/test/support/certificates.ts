import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** An authority of a test's own, and a certificate for the server localhost. */
export interface Certificates {
  /** The certificate of the authority. */
  readonly ca: string;
  /** The settings of a NATS server that uses the certificate. */
  readonly settings: Readonly<Record<string, string>>;
  remove(): Promise<void>;
}

/** Makes certificates with the `openssl` of the path. They are good for a day. */
export async function makeCertificates(): Promise<Certificates> {
  const folder = await mkdtemp(join(tmpdir(), "busbar-certificates-"));
  const openssl = (command: string): unknown =>
    execFileSync("openssl", command.split(" "), { cwd: folder, stdio: "pipe" });
  await writeFile(join(folder, "names"), "subjectAltName=DNS:localhost");
  openssl("req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=ca -keyout ca.key -out ca.crt");
  openssl("req -newkey rsa:2048 -nodes -subj /CN=nats -keyout nats.key -out nats.csr");
  openssl(
    "x509 -req -days 1 -CA ca.crt -CAkey ca.key -CAcreateserial -extfile names -in nats.csr -out nats.crt",
  );
  const [cert, key] = ["nats.crt", "nats.key"].map((name) => JSON.stringify(join(folder, name)));
  return {
    ca: await readFile(join(folder, "ca.crt"), "utf8"),
    settings: { tls: `{ cert_file: ${cert}, key_file: ${key} }` },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
