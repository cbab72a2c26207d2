/** Longer than any signature, key or secret. */
const MAX_LENGTH = 1_024;

/** The bytes of base64, with or without padding. Undefined if the text is anything else. */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (text.length > MAX_LENGTH) return undefined;
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  } catch {
    return undefined;
  }
  // `atob` passes over white space and bits that belong to no byte, so that many texts would be the same signature.
  const exact = encodeBase64(bytes);
  return exact === text || exact.replaceAll("=", "") === text ? bytes : undefined;
}

/** Bytes as base64, with padding. */
export function encodeBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}
