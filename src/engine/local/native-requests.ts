/** Checks requests to a denoiser and converts them to the addon's form. */
import {
  checkDenoise,
  checkSearch,
  type DenoiseRequest,
  type DenoisingRequest,
  type SearchRequest,
} from "../denoising-request.js";
import type { NativeDenoiseRequest, NativeSearchRequest } from "./native-diffusion.js";
import { toNativeSampling } from "./native-model.js";

export interface LocalDenoiseRequest extends DenoiseRequest {
  /**
   * Stops a text once it has an end token and no mask before it. The tokens after the end token don't
   * belong to the text. Default true.
   *
   * @internal
   */
  stopAtEnd?: boolean;
}

/** Checks and converts a request. Throws `ERR_INVALID_OPTION`, as `toNativeSearch` does. */
export function toNativeDenoise(request: LocalDenoiseRequest): NativeDenoiseRequest {
  checkDenoise(request);
  const { texts, parallel, stopAtEnd = true } = request;
  return {
    ...toNative(request),
    texts: texts.map(({ tokens, stream }) => ({ tokens, stream: [...stream] })),
    threshold: parallel !== undefined && "threshold" in parallel ? parallel.threshold : null,
    factor: parallel !== undefined && "factor" in parallel ? parallel.factor : null,
    stopAtEnd,
  };
}

export function toNativeSearch(request: SearchRequest): NativeSearchRequest {
  checkSearch(request);
  const { texts, stream, width, wanted } = request;
  return {
    ...toNative(request),
    texts: texts.map(({ tokens, logProb }) => ({ tokens, logProb })),
    stream: [...stream],
    width,
    wanted,
  };
}

function toNative(request: DenoisingRequest) {
  const { prompt, schedule, sampling, key, remasking, cfgScale = 0 } = request;
  const { maxTotalTokens = Number.MAX_SAFE_INTEGER, timeLimitMs = null } = request;
  return {
    prompt,
    ...schedule,
    sampling: toNativeSampling(sampling),
    key: [...key] as [number, number],
    remasking,
    cfgScale,
    maxTotalTokens,
    timeLimitMs,
  };
}
