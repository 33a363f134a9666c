/** Returns the file of a model of this shape with random weights, and creates it if necessary. */
export function randomModel(shape: string, type?: "q8_0" | "f16"): Promise<string>;
