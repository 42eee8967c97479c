// Parlor as an AG-UI server, with the client that AG-UI publishes: it checks every event's shape and the order of them all.
import { HttpAgent } from "@ag-ui/client";
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { FakeModel, Parlor, Server } from "../e2e/support/processes.mjs";
import { modelSettings } from "../e2e/support/scene.mjs";
import { call, done, said, turns } from "../e2e/support/site-page.mjs";

/** Cookies, as browsers keep them, by visitor. */
const cookies = new Map();

function asVisitor(visitor) {
  return async (url, init) => {
    const cookie = cookies.get(visitor);
    const response = await fetch(url, {
      ...init,
      headers: { ...init.headers, ...(cookie && { cookie }) },
    });
    const [fresh] = response.headers.getSetCookie();
    if (fresh !== undefined) cookies.set(visitor, fresh.split(";")[0]);
    return response;
  };
}

/** A front end: one conversation, and what it is told. */
class Front {
  events = [];

  constructor(url, user, threadId) {
    this.agent = new HttpAgent({
      url: `${url}/agui`,
      threadId,
      headers: { "X-User-Id": user },
      fetch: asVisitor(`${user}@${url}`),
    });
  }

  /** Says something, runs, and gives what was new. */
  async run(text, parameters = {}) {
    if (text !== null)
      this.agent.addMessage({ id: randomUUID(), role: "user", content: text });
    this.events = [];
    const { newMessages } = await this.agent.runAgent(parameters, {
      onEvent: ({ event }) => void this.events.push(event),
    });
    return newMessages;
  }

  get outcome() {
    return this.events.at(-1).outcome;
  }

  get texts() {
    return this.agent.messages
      .filter(({ role }) => role === "user" || role === "assistant")
      .map(({ content }) => content);
  }

  types() {
    return this.events.map(({ type }) => type);
  }
}

/** What the client says of events that it does not take, though it goes on. */
const complaints = [];
for (const method of ["warn", "error"]) {
  console[method] = (...words) =>
    void complaints.push(words.map(String).join(" "));
}

describe("the server", () => {
  let model, parlor, shop, folder;
  let deleted = 0;

  before(async () => {
    shop = createServer((request, response) => {
      deleted += Number(request.method === "DELETE");
      response.setHeader("content-type", "application/json");
      response.end('{"state":"done"}');
    });
    await new Promise((listening) => shop.listen(0, "127.0.0.1", listening));
    folder = await mkdtemp(path.join(tmpdir(), "parlor-agui-"));
    const tool = (name, method, approval) => `
[[tools]]
kind = "http"
name = "${name}"
description = "About an order."
method = "${method}"
url = "http://127.0.0.1:${shop.address().port}/orders/{number}"
approval = "${approval}"
parameters = { number = { type = "string" } }
`;
    const settings =
      '[ag_ui]\nenabled = true\n[auth]\nmode = "trusted-header"\n';
    await writeFile(
      path.join(folder, "parlor.toml"),
      settings +
        tool("order_status", "GET", "never") +
        tool("cancel_order", "DELETE", "always"),
    );
    model = await FakeModel.start();
    parlor = await Parlor.start({
      ...modelSettings("responses", model),
      PARLOR_CONFIG: path.join(folder, "parlor.toml"),
    });
  });

  after(async () => {
    await parlor?.stop();
    await model?.stop();
    shop.close();
    await rm(folder, { recursive: true, force: true });
  });

  const cancels = {
    step: "tool_call",
    name: "cancel_order",
    arguments: { number: "A-1" },
  };

  it("answers with text and visible steps, and remembers", async () => {
    const front = new Front(parlor.url, "ada", "front-1");
    await model.script(
      {
        steps: [
          {
            step: "tool_call",
            name: "order_status",
            arguments: { number: "A-1" },
          },
        ],
      },
      { steps: [{ step: "text", text: "It is **on its way**." }] },
    );
    const messages = await front.run("Where is order A-1?");
    assert.equal(messages.at(-1).content, "It is **on its way**.");
    assert.deepEqual(front.outcome, { type: "success" });
    const steps = front.agent.messages.find(({ role }) => role === "activity");
    assert.equal(steps.activityType, "parlor.workflow");
    assert.equal(steps.content.tasks[0].status_indicator, "complete");
    assert.equal(steps.content.tasks[0].title, "Order status");

    await model.script({ steps: [{ step: "text", text: "A-1." }] });
    await front.run("Which one was it?");
    const [asked] = (await model.requests()).filter((request) =>
      request.user_message?.includes("Which one was it?"),
    );
    assert.match(JSON.stringify(asked.body), /Where is order A-1\?/);

    // The same conversation on another device.
    const phone = new Front(parlor.url, "ada", "front-1");
    await phone.run(null);
    assert.deepEqual(phone.texts, [
      "Where is order A-1?",
      "It is **on its way**.",
      "Which one was it?",
      "A-1.",
    ]);
    const stranger = new Front(parlor.url, "eve", "front-1");
    await stranger.run(null);
    assert.deepEqual(stranger.agent.messages, []);
  });

  for (const [approve, word] of [
    [true, "Approved"],
    [false, "Denied"],
  ]) {
    it(`asks for consent by an interrupt, which is ${word.toLowerCase()}`, async () => {
      deleted = 0;
      const front = new Front(parlor.url, "ada", `consent-${word}`);
      await model.script(
        { steps: [cancels] },
        { steps: [{ step: "text", text: `It was ${word}.` }] },
      );
      await front.run("Cancel A-1");
      const [asked] = front.agent.pendingInterrupts;
      assert.equal(front.outcome.type, "interrupt");
      assert.equal(asked.reason, "approval");
      assert.equal(asked.message, "Cancel order");
      assert.equal(deleted, 0);

      // After a reload it is still asked.
      const again = new Front(parlor.url, "ada", `consent-${word}`);
      await again.run(null);
      assert.equal(again.agent.pendingInterrupts[0].id, asked.id);

      await again.run(null, {
        resume: [
          { interruptId: asked.id, status: "resolved", payload: { approve } },
        ],
      });
      assert.equal(again.texts.at(-1), `It was ${word}.`);
      assert.deepEqual(again.outcome, { type: "success" });
      assert.equal(deleted, Number(approve));
      const card = again.agent.messages.find(
        ({ activityType }) => activityType === "parlor.widget",
      );
      assert.match(JSON.stringify(card.content), new RegExp(word));
    });
  }

  it("calls the tools that a run declares, and goes on with what they give", async () => {
    const tools = [
      {
        name: "zoom_map",
        description: "Zooms the map.",
        parameters: {
          type: "object",
          properties: { to: { type: "integer" } },
          required: ["to"],
        },
      },
      // Called like one of the server's, which stays what it is.
      { name: "order_status", description: "Not this one.", parameters: {} },
    ];
    const zooms = (to) => ({
      step: "tool_call",
      name: "zoom_map",
      arguments: { to },
    });
    const front = new Front(parlor.url, "ada", "declared");
    await model.script(
      // The first call does not fit the schema, which the model is told.
      { steps: [{ step: "text", text: "Let me see." }, zooms("there")] },
      { steps: [zooms(3)] },
    );
    await front.run("Closer, please", { tools });
    const asked = front.agent.messages.at(-1).toolCalls[0];
    assert.deepEqual(front.outcome, {
      type: "success",
      pendingToolCallIds: [asked.id],
    });
    assert.deepEqual(
      [asked.function.name, asked.function.arguments],
      ["zoom_map", '{"to":3}'],
    );
    const requests = (await model.requests()).filter(({ user_message }) =>
      user_message?.includes("Closer, please"),
    );
    const offered = JSON.stringify(requests[0].body.tools);
    assert.match(offered, /Zooms the map/);
    assert.doesNotMatch(offered, /Not this one/);
    assert.match(JSON.stringify(requests.at(-1).body.input), /do not fit/);

    front.agent.addMessage({
      id: randomUUID(),
      role: "tool",
      toolCallId: asked.id,
      content: '{"zoom":3}',
    });
    await model.script({ steps: [{ step: "text", text: "Here you are." }] });
    await front.run(null, { tools });
    assert.equal(front.texts.at(-1), "Here you are.");
    const told = (await model.requests()).at(-1);
    assert.match(JSON.stringify(told.body.input), /\{\\*"zoom\\*":3\}/);
    assert.match(JSON.stringify(told.body.tools), /zoom_map/);

    await assert.rejects(
      front.run("Again", { tools: [{ name: "zoom map", description: "" }] }),
      /tools\[0\]: must have a name/,
    );
  });

  it("tells of failures", async () => {
    const front = new Front(parlor.url, "ada", "failing");
    await model.script({ steps: [{ step: "status", status: 400 }] });
    await front.run("Hi");
    const { type, code, message } = front.events.at(-1);
    assert.deepEqual([type, code], ["RUN_ERROR", "model.bad_request"]);
    assert.match(message, /model/);
    const unknown = new Front(
      parlor.url,
      "ada",
      "thr_0123456789abcdef0123456789abcdef",
    );
    await assert.rejects(unknown.run("Hi"), /404/);
  });
});

describe("a program on the SDK", () => {
  let scripted;
  before(async () => {
    scripted = await Server.scripted();
  });
  after(() => scripted?.stop());

  it("has the page's tools called", async () => {
    const front = new Front(scripted.url, "ada", "tools");
    await front.run(
      turns([call("get_cart", { full: true })], [said("Two things.")]),
    );
    const {
      toolCalls: [asked],
    } = front.agent.messages.at(-1);
    assert.deepEqual(front.outcome, {
      type: "success",
      pendingToolCallIds: [asked.id],
    });
    assert.deepEqual(
      [asked.function.name, asked.function.arguments],
      ["get_cart", '{"full":true}'],
    );
    front.agent.addMessage({
      id: randomUUID(),
      role: "tool",
      toolCallId: asked.id,
      content: '{"things":2}',
    });
    await front.run(null);
    assert.equal(front.texts.at(-1), "Two things.");
    const again = new Front(scripted.url, "ada", "tools");
    await again.run(null);
    assert.equal(
      again.agent.messages.find(({ role }) => role === "tool").content,
      '{"things":2}',
    );
  });

  it("asks questions", async () => {
    const question = {
      type: "freeform",
      id: "name",
      question: "What is it called?",
    };
    const asked = done("structured_input", {
      status: "pending",
      inputs: [question],
    });
    const front = new Front(scripted.url, "ada", "questions");
    await front.run(turns([asked], [said("Thank you.")]));
    const [open] = front.agent.pendingInterrupts;
    assert.deepEqual(
      [open.reason, open.message],
      ["questions", "What is it called?"],
    );
    await front.run(null, {
      resume: [
        {
          interruptId: open.id,
          status: "resolved",
          payload: { name: ["Teapot"] },
        },
      ],
    });
    assert.equal(front.texts.at(-1), "Thank you.");
    const answered = front.agent.messages.find(
      ({ activityType }) => activityType === "parlor.questions",
    );
    assert.deepEqual(answered.content.inputs[0].answer.values, ["Teapot"]);
  });

  it("thinks aloud, grows widgets and images, takes things back", async () => {
    const item = (name, type, fields) => ({
      id: `$item:${name}`,
      thread_id: "$thread",
      created_at: "$now",
      type,
      ...fields,
    });
    const update = (name, type, fields) => ({
      type: "thread.item.updated",
      item_id: `$item:${name}`,
      update: { type, ...fields },
    });
    const thought = (content) => ({ type: "thought", content });
    const tasks = (...all) => ({ workflow: { type: "reasoning", tasks: all } });
    const image = (url) => ({ image: { id: "i", url } });
    const front = new Front(scripted.url, "ada", "all");
    await front.run(
      turns([
        { type: "progress_update", text: "Looking…" },
        { type: "thread.item.added", item: item("w", "workflow", tasks()) },
        update("w", "workflow.task.added", {
          task_index: 0,
          task: thought("Hm"),
        }),
        update("w", "workflow.task.updated", {
          task_index: 0,
          task: thought("Hmmm."),
        }),
        update("w", "workflow.task.added", {
          task_index: 1,
          task: thought("So be it."),
        }),
        {
          type: "thread.item.done",
          item: item(
            "w",
            "workflow",
            tasks(thought("Hmmm."), thought("So be it.")),
          ),
        },
        { type: "thread.item.added", item: item("i", "generated_image", {}) },
        update("i", "generated_image.updated", {
          ...image("data:image/png;base64,AA=="),
          progress: 0.5,
        }),
        {
          type: "thread.item.done",
          item: item(
            "i",
            "generated_image",
            image("https://example.com/i.png"),
          ),
        },
        {
          type: "thread.item.added",
          item: item("m", "assistant_message", { content: [] }),
        },
        update("m", "assistant_message.content_part.added", {
          content_index: 0,
          content: { type: "output_text", text: "", annotations: [] },
        }),
        update("m", "assistant_message.content_part.text_delta", {
          content_index: 0,
          delta: "What I should not say",
        }),
        { type: "thread.item.removed", item_id: "$item:m" },
        { type: "notice", level: "warning", message: "That was taken back." },
        { type: "client_effect", name: "confetti", data: { colour: "red" } },
        said("The end."),
      ]),
    );
    const thoughts = front.agent.messages
      .filter(({ role }) => role === "reasoning")
      .map(({ content }) => content);
    assert.deepEqual(thoughts, ["Hmmm.", "So be it."]);
    assert.equal(
      front.agent.messages.find(
        ({ activityType }) => activityType === "parlor.image",
      ).content.image.url,
      "https://example.com/i.png",
    );
    assert.equal(front.texts.at(-1), "The end.");
    assert.ok(!front.texts.includes("What I should not say"));
    const told = front.events
      .filter(({ type }) => type === "CUSTOM")
      .map(({ name }) => name);
    assert.deepEqual(
      told.filter((name) => name !== "parlor.thread"),
      ["parlor.notice", "confetti"],
    );
    assert.ok(
      front.types().indexOf("STEP_FINISHED") >
        front.types().indexOf("STEP_STARTED"),
    );
  });
});

it("the client had nothing to complain of", () => {
  assert.deepEqual(
    complaints.filter((words) => !/404|422/.test(words)),
    [],
  );
});
