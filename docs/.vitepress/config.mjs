/** The documentation site: `npm run docs`. The pages are those that GitHub shows. */
import { defineConfig } from "vitepress";

const page = (text, name) => ({ text, link: `/${name}` });

export default defineConfig({
  title: "llama-ets",
  description: "Sample from the RL-optimal policy of a local GGUF model, without training",
  // A link to a page that isn't there ends the build; test:docs looks for headings, too.
  ignoreDeadLinks: false,
  srcExclude: ["images/**", "study/**"],
  vite: { define: { __VUE_PROD_DEVTOOLS__: "false" }, logLevel: "warn" },
  markdown: { theme: { light: "github-light", dark: "github-dark" } },
  themeConfig: {
    search: { provider: "local" },
    outline: [2, 3],
    nav: [page("Start", ""), page("Errors", "errors"), page("API", "api/")],
    sidebar: [
      {
        text: "Start",
        items: [page("Start here", ""), page("Installing", "installing")],
      },
      {
        text: "Guides",
        items: [
          page("Which method for my task", "choosing"),
          page("Where guidance pays", "where-guidance-pays"),
          page("Beside genlm-control and its-hub", "beside-rivals"),
          page("Choose a model for my machine", "choosing#a-model"),
          page("Choose M and K for my machine", "choosing#m-and-k"),
          page("Answers that parse", "constraints"),
          page("Models that think", "reasoning"),
          page("Conversations and tools", "templates"),
          page("ETS in an Electron app", "installing#electron"),
          page("Write a reward", "rewards"),
          page("Write a task", "tasks"),
          page("Write a method", "methods#a-method-of-your-own"),
          page("Evaluate a model offline", "evaluation"),
          page("Compare methods", "comparing"),
          page("Serve many", "server"),
          page("Guide a model on a server", "remote"),
          page("Many machines", "many-machines"),
          page("Diffusion models", "diffusion"),
          page("Reproduce the paper", "choosing#reproduce-the-paper"),
        ],
      },
      {
        text: "Reference",
        items: [
          page("Errors", "errors"),
          page("API", "api/"),
          page("Methods", "methods"),
          page("Model families", "families"),
          page("Grading", "grading"),
          page("How it works", "how-it-works"),
          page("Exactness", "exactness"),
          page("Reliability", "reliability"),
          page("Benchmarks", "benchmarks"),
        ],
      },
    ],
  },
});
