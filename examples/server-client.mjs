/**
 * Asks a server for a guided answer, as any client of OpenAI's API does. Run: npx llama-ets serve, then
 * node examples/server-client.mjs (another address than http://127.0.0.1:8080 as its argument)
 */
const server = process.argv[2] ?? "http://127.0.0.1:8080";
const { data } = await (await fetch(`${server}/v1/models`)).json();
const model = data.map(({ id }) => id).find((id) => id.endsWith("+ets"));
const response = await fetch(`${server}/v1/chat/completions`, {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({
    model,
    seed: 1,
    messages: [{ role: "user", content: "Sam has 12 apples and eats 5. How many are left?" }],
    ets: { candidates: 4, blockTokens: 16 },
  }),
});
const answer = await response.json();
if (!response.ok) throw new Error(answer.error.message);
console.log(`${model}: ${answer.choices[0].message.content.trim()}`);
console.log(`tokens: ${answer.usage.completion_tokens}`);
