import { useEffect, useState } from "preact/hooks";

/** Milliseconds for which a typed text stays the same before it is searched for. */
const typeMs = 400;

/** Returns the value once it has stayed the same for 400 milliseconds, so that typing sends no request per letter. */
export function useSettled(value: string): string {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), typeMs);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
}
