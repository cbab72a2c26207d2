/** The version of this package: that of its package.json, which a bundle leaves behind. The gate `imports` compares them. */
export const VERSION = "0.1.0";
