import { render } from "preact";
import { App } from "./app.tsx";
import "./theme.css";
import { applyTheme } from "./theme-switch.tsx";

applyTheme();
const place = document.querySelector("#app");
if (place !== null) render(<App />, place);
