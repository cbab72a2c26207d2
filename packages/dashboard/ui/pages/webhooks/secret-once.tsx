import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { Button } from "../../components/button.tsx";

/** A new secret, which cannot be read again. */
export function SecretOnce({ secret }: { readonly secret: string }): VNode {
  const [isCopied, setCopied] = useState(false);
  return (
    <div class="notice notice-warn">
      <p>
        <strong>Copy the secret now. It is not shown again.</strong>
      </p>
      <p class="break">
        <code>{secret}</code>
      </p>
      {isSecureContext && (
        <Button
          small
          onClick={() => void navigator.clipboard.writeText(secret).then(() => setCopied(true))}
        >
          {isCopied ? "Copied" : "Copy the secret"}
        </Button>
      )}
    </div>
  );
}
