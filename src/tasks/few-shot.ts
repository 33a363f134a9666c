/**
 * Worked examples for the raw few-shot prompts. They were written for this package and are part of no
 * benchmark.
 */

export interface WordProblem {
  question: string;
  answer: string;
}

export const WORD_PROBLEMS: readonly WordProblem[] = [
  {
    question:
      "A baker fills 6 trays with 12 rolls each. She sells 50 rolls. How many rolls are left?",
    answer:
      "The baker makes 6 * 12 = 72 rolls. After the sale 72 - 50 = 22 rolls are left.\n#### 22",
  },
  {
    question:
      "Tom walks 3 km to school and the same way back on each of 5 days. How many km is that?",
    answer: "There and back is 3 + 3 = 6 km. In 5 days that is 5 * 6 = 30 km.\n#### 30",
  },
  {
    question:
      "A ticket costs $8 and a child's ticket half of that. What do 2 adults and 3 children pay?",
    answer:
      "A child's ticket costs 8 / 2 = $4. The adults pay 2 * 8 = $16 and the children 3 * 4 = $12. Together they pay 16 + 12 = $28.\n#### 28",
  },
  {
    question:
      "Nina has 40 stamps. She gives a quarter of them to Leo and then buys 15. How many has she now?",
    answer:
      "She gives away 40 / 4 = 10 stamps and keeps 40 - 10 = 30. With the new ones she has 30 + 15 = 45.\n#### 45",
  },
  {
    question:
      "A tank holds 900 litres. A pump fills 25 litres a minute, and 400 litres are in it already. How many minutes until it is full?",
    answer: "There is room for 900 - 400 = 500 litres. That takes 500 / 25 = 20 minutes.\n#### 20",
  },
];

export interface MathProblem {
  problem: string;
  solution: string;
  answer: string;
}

export const MATH_PROBLEMS: readonly MathProblem[] = [
  {
    problem: "Solve $5x + 4 = 19$ for $x$.",
    solution: "Subtracting $4$ gives $5x = 15$, so $x = \\boxed{3}.$",
    answer: "3",
  },
  {
    problem: "Write $\\frac{3}{8} + \\frac{1}{6}$ as a fraction in lowest terms.",
    solution:
      "The common denominator is $24$: $\\frac{9}{24} + \\frac{4}{24} = \\boxed{\\frac{13}{24}}.$",
    answer: "\\frac{13}{24}",
  },
  {
    problem: "For which real $x$ is $\\sqrt{x - 2}$ defined? Answer in interval notation.",
    solution:
      "The radicand must not be negative: $x - 2 \\ge 0$, so $x \\ge 2$, which is $\\boxed{[2,\\infty)}.$",
    answer: "[2,\\infty)",
  },
  {
    problem: "A right triangle has legs $4$ and $6$. How long is its hypotenuse?",
    solution: "By Pythagoras it is $\\sqrt{4^2 + 6^2} = \\sqrt{52} = \\boxed{2\\sqrt{13}}.$",
    answer: "2\\sqrt{13}",
  },
];

export interface ChoiceProblem {
  question: string;
  choices: readonly string[];
  reasoning: string;
  letter: string;
}

export const CHOICE_PROBLEMS: readonly ChoiceProblem[] = [
  {
    question: "Which gas makes up most of dry air?",
    choices: ["Oxygen", "Argon", "Nitrogen", "Carbon dioxide"],
    reasoning: "Dry air is about 78% nitrogen and 21% oxygen by volume.",
    letter: "C",
  },
  {
    question: "A resistor of 4 ohm carries 3 A. Which power does it dissipate?",
    choices: ["12 W", "36 W", "48 W", "0.75 W"],
    reasoning: "The power is I^2 R = 9 * 4 = 36 W.",
    letter: "B",
  },
  {
    question: "Which organelle makes most of the ATP of an animal cell?",
    choices: ["The nucleus", "The ribosome", "The Golgi apparatus", "The mitochondrion"],
    reasoning: "Oxidative phosphorylation takes place at the inner membrane of the mitochondrion.",
    letter: "D",
  },
  {
    question: "What is the pH of 0.01 mol/L hydrochloric acid at 25 degrees Celsius?",
    choices: ["2", "1", "12", "7"],
    reasoning: "The acid is strong, so [H+] = 0.01 mol/L and the pH is -log10(0.01) = 2.",
    letter: "A",
  },
  {
    question: "A wave has a frequency of 50 Hz and a speed of 200 m/s. What is its wavelength?",
    choices: ["10 km", "0.25 m", "4 m", "150 m"],
    reasoning: "The wavelength is v / f = 200 / 50 = 4 m.",
    letter: "C",
  },
];
