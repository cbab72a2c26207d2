export { acmeNotifier } from "./acme-notifier.ts";
