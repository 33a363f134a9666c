/**
 * Returns a grader for answers that may be partly right: `score(item, text)` is from 0 to 1, and 1 is right.
 */
export function scoreGrader(score) {
  return {
    async grade(item, text) {
      const value = await score(item, text);
      return { extracted: text, correct: value === 1, score: value };
    },
    async [Symbol.asyncDispose]() {},
  };
}
