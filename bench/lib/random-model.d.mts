/** The file of a model of this shape with random weights, made unless it is there. */
export function randomModel(shape: string, type?: "q8_0" | "f16"): Promise<string>;
