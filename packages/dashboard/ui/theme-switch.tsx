import type { VNode } from "preact";
import { useState } from "preact/hooks";

const key = "busbar-theme";

/** Gives the document the colours that the user chose before. Call it before the first paint. */
export function applyTheme(): void {
  const theme = localStorage.getItem(key);
  if (theme === null) delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme;
}

/** Chooses light, dark, or what the system has. The browser keeps the choice. */
export function ThemeSwitch(): VNode {
  const [theme, setTheme] = useState(() => localStorage.getItem(key) ?? "system");
  const choose = (next: string): void => {
    if (next === "system") localStorage.removeItem(key);
    else localStorage.setItem(key, next);
    applyTheme();
    setTheme(next);
  };
  return (
    <select
      class="input"
      aria-label="Colours"
      value={theme}
      onChange={(event) => choose(event.currentTarget.value)}
    >
      <option value="system">System</option>
      <option value="light">Light</option>
      <option value="dark">Dark</option>
    </select>
  );
}
