/** Converts figures to PNG, for slides and documents that don't accept SVG. */
import { LlamaEtsError } from "../engine/errors.js";
import { packageFile } from "../engine/package-files.js";

/** Pixels of the PNG per pixel of the figure, so that it is sharp on a projector and in print. */
const SCALE = 3;

const FONTS = ["dist/report/fonts/Inter-Regular.ttf", "dist/report/fonts/Inter-SemiBold.ttf"];

/**
 * Draws figures on white in a font of the package. Characters that this font lacks come from a system font,
 * if one has them.
 *
 * @throws LlamaEtsError `ERR_TOOL_NOT_FOUND` if the drawing library has no binary for this platform
 */
export async function pngRenderer(): Promise<(svg: string) => Uint8Array> {
  const { Resvg } = await loadResvg();
  const font = {
    fontFiles: FONTS.map(packageFile),
    loadSystemFonts: true,
    defaultFontFamily: "Inter",
    sansSerifFamily: "Inter",
  };
  const options = { fitTo: { mode: "zoom", value: SCALE }, background: "#fff", font } as const;
  return (svg) => new Resvg(svg, options).render().asPng();
}

async function loadResvg(): Promise<typeof import("@resvg/resvg-js")> {
  try {
    return await import("@resvg/resvg-js");
  } catch (error) {
    throw new LlamaEtsError(
      "ERR_TOOL_NOT_FOUND",
      "The library that draws PNG files was not found",
      {
        fix: "npm install without --omit=optional; the figures are there as SVG files",
        cause: error,
      },
    );
  }
}
