import { fileURLToPath } from "node:url";

/** Where the build puts the page: the same folder for the sources and for what is built of them. */
export const PAGE_FOLDER: string = fileURLToPath(new URL("../../dist/page/", import.meta.url));
