// @boundaries-ignore the settings every package shares
export { default } from "../../.ci/vitest.base.ts";
