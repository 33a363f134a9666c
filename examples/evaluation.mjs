/** Two methods on five items, kept in a run directory. Run: node examples/evaluation.mjs [directory] */
import { evaluate, loadModel, miniGsm } from "llama-ets";

const model = await loadModel("mini-gsm-ref");
const { summary } = await evaluate(model, miniGsm, {
  methods: ["sample", { name: "majority-4", method: "majority", options: { candidates: 4 } }],
  limit: 5,
  out: process.argv[2] ?? "runs/example",
  resume: true,
});
for (const [name, { n, accuracy }] of Object.entries(summary.methods)) {
  console.log(`${name}: ${Math.round(100 * accuracy)}% of ${n} items are right`);
}
await model.dispose();
