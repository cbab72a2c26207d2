/**
 * The directory of this file. Undefined in a bundle that is CommonJS.
 *
 * It stands alone, because `import.meta` is a syntax error where a test runner makes CommonJS of this package.
 */
export const ownDirectory: string | undefined = import.meta.dirname;
