import { test } from "vitest";
import { testProvider } from "../src/test-provider.ts";
import { tinyProvider } from "./support/tiny-provider.ts";

await testProvider(test, { create: tinyProvider });
