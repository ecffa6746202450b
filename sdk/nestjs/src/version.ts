/** The package's version, as every event says it; a test holds it against package.json. */
export const version = "0.1.0";
