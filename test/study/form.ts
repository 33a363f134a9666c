/** Whether tests run in their long form, `npm run test:study`, or in the short one, `npm test`. */
export const IS_STUDY = process.env.LLAMA_ETS_STUDY !== undefined;
