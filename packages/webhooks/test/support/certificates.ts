import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A certificate and its key, as PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** Certificates of an authority of a test's own. */
export interface Certificates {
  /** The certificate of the authority. */
  readonly ca: string;
  /** For 127.0.0.1. */
  readonly server: Certificate;
  /** For another host. */
  readonly elsewhere: Certificate;
  /** For 127.0.0.1, until yesterday. */
  readonly expired: Certificate;
  /** Of a client. */
  readonly client: Certificate;
}

/** Makes certificates with the `openssl` of the path. */
export function makeCertificates(): Certificates {
  const folder = mkdtempSync(join(tmpdir(), "busbar-certificates-"));
  const openssl = (command: string): unknown =>
    execFileSync("openssl", command.split(" "), { cwd: folder, stdio: "pipe" });
  const read = (name: string): string => readFileSync(join(folder, name), "utf8");
  const newKey = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
  const make = (name: string, san: string, until: string): Certificate => {
    writeFileSync(join(folder, `${name}.ext`), `subjectAltName=${san}`);
    openssl(`req ${newKey} -subj /CN=${name} -keyout ${name}.key -out ${name}.csr`);
    openssl(
      `x509 -req ${until} -CA ca.crt -CAkey ca.key -CAcreateserial -extfile ${name}.ext -in ${name}.csr -out ${name}.crt`,
    );
    return { cert: read(`${name}.crt`), key: read(`${name}.key`) };
  };
  try {
    openssl(`req -x509 ${newKey} -days 2 -subj /CN=ca -keyout ca.key -out ca.crt`);
    return {
      ca: read("ca.crt"),
      server: make("server", "IP:127.0.0.1", "-days 2"),
      elsewhere: make("elsewhere", "DNS:elsewhere.example", "-days 2"),
      expired: make("expired", "IP:127.0.0.1", "-days -1"),
      client: make("client", "DNS:client.example", "-days 2"),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
