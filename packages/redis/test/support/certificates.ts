import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** An authority of a test's own, and a certificate that it has signed, for 127.0.0.1. Good for a day. */
export interface Certificates {
  /** The authority's certificate, and where it is. */
  readonly ca: string;
  readonly caFile: string;
  /** The certificate and its key, of a server or a client. */
  readonly cert: string;
  readonly key: string;
  /** Has a Redis use them. It asks no client for a certificate. */
  readonly config: Readonly<Record<string, string>>;
  remove(): Promise<void>;
}

/** Makes them anew, with the `openssl` of the path. */
export async function makeCertificates(): Promise<Certificates> {
  const folder = await mkdtemp(join(tmpdir(), "busbar-certificates-"));
  const openssl = (command: string): unknown =>
    execFileSync("openssl", command.split(" "), { cwd: folder, stdio: "pipe" });
  await writeFile(join(folder, "names"), "subjectAltName=IP:127.0.0.1");
  openssl("req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=ca -keyout ca.key -out ca.crt");
  openssl("req -newkey rsa:2048 -nodes -subj /CN=redis -keyout redis.key -out redis.csr");
  openssl(
    "x509 -req -days 1 -CA ca.crt -CAkey ca.key -CAcreateserial -extfile names -in redis.csr -out redis.crt",
  );
  const [caFile, certFile, keyFile] = ["ca.crt", "redis.crt", "redis.key"].map((name) =>
    join(folder, name),
  ) as [string, string, string];
  return {
    caFile,
    ca: await readFile(caFile, "utf8"),
    cert: await readFile(certFile, "utf8"),
    key: await readFile(keyFile, "utf8"),
    config: {
      "tls-ca-cert-file": caFile,
      "tls-cert-file": certFile,
      "tls-key-file": keyFile,
      "tls-auth-clients": "no",
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
