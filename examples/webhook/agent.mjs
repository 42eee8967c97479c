// An agent behind a webhook, with Node alone: node agent.mjs 9000
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const SECRET = process.env.PARLOR_WEBHOOK_SECRET;
const ORDERS = { "A-1700": "left the warehouse this morning", "A-1701": "waits for the walnut veneer" };

function isSigned(body, header = "") {
  const [, seconds, signature] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(header) ?? [];
  if (!signature || Math.abs(Date.now() / 1000 - seconds) > 300) return false;
  const expected = createHmac("sha256", SECRET).update(`${seconds}.`).update(body).digest();
  return timingSafeEqual(expected, Buffer.from(signature, "hex"));
}

/** What to say: `text`, and whatever else the answer is made of. */
function answer({ type, message, decisions, tool_output, history, user, page }) {
  if (type === "ping") return {}; // parlor doctor
  if (type === "decision") {
    const [{ decision, arguments: { number } }] = decisions;
    return { text: `Order ${number} was ${decision === "approved" ? "cancelled" : "left as it is"}.` };
  }
  if (type === "tool_output") return { text: `You are in ${tool_output.output.city}.` };
  const text = message?.text ?? "";
  const number = /A-\d+/.exec(text)?.[0];
  if (number && /cancel/i.test(text)) {
    return { approval: { id: number, title: `Cancel order ${number}?`, arguments: { number } } };
  }
  if (ORDERS[number]) return { tool: { name: "order_status" }, text: `Order ${number} ${ORDERS[number]}.` };
  if (/where am i/i.test(text)) return { client_tool: { name: "locate", arguments: {} } };
  if (/break/i.test(text)) throw new Error("it broke");
  if (history.length) return { text: `You asked before: ${history.at(-2).text}` };
  return { text: `Hello ${user.name ?? "there"}, you are reading ${page.title}.` };
}

const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  if (!isSigned(body, request.headers["parlor-signature"])) return response.writeHead(401).end();
  try {
    // The same in parts, as they are made: server-sent events.
    const { text, ...parts } = answer(JSON.parse(body));
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    for (const part of [parts, ...(text?.split(/(?<= )/) ?? []).map((text) => ({ text }))]) {
      response.write(`data: ${JSON.stringify(part)}\n\n`);
    }
    response.end();
  } catch (error) {
    console.error(error);
    response.writeHead(500).end();
  }
});
server.listen(Number(process.argv[2]), "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
