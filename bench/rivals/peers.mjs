/** Other libraries in separate processes, which answer lines of JSON. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** Starts a Python script of this folder. Its first output line says that it is ready. */
export async function openPeer(python, script, args) {
  const file = fileURLToPath(new URL(script, import.meta.url));
  const child = spawn(python, [file, ...args], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${script} has ended`);
    return JSON.parse(value);
  };
  await next();
  return {
    async ask(request) {
      child.stdin.write(`${JSON.stringify(request)}\n`);
      const answer = await next();
      if (answer.error !== undefined) throw new Error(`${script}: ${answer.error}`);
      return answer;
    },
    close: () => child.stdin.end(),
  };
}

/** Starts our server for its-hub, and provides the CPU seconds that it has used so far. */
export async function openServer(model) {
  const cli = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
  const args = [cli, "serve", "--no-isolate", "--model", model, "--port", "0", "--threads", "1"];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  const url = await new Promise((resolve, reject) => {
    let said = "";
    const read = (text) => {
      said += text;
      const found = /http:\/\/127\.0\.0\.1:[0-9]+/.exec(said);
      if (found !== null) resolve(found[0]);
    };
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", read);
    child.on("close", () => reject(new Error(`The server has ended: ${said.slice(-500)}`)));
  });
  return { url, cpu: () => cpuOf(child.pid), close: () => child.kill() };
}

/** Returns the CPU seconds of another process, which only Linux provides. */
function cpuOf(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
  const TICKS = 100;
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}
