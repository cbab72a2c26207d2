import { describe, test } from "vitest";
import { testNotifier } from "../../src/testing.ts";
import { httpHarness, stdoutHarness, tcpHarness } from "../support/notifier-harnesses.ts";

describe("the notifier http", () => testNotifier(test, httpHarness()));
describe("the notifier tcp", () => testNotifier(test, tcpHarness));
describe("the notifier stdout", () => testNotifier(test, stdoutHarness()));
