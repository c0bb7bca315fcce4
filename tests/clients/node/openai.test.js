// The openai package for Node.
import assert from "node:assert/strict";
import { test } from "node:test";

import OpenAI, { AzureOpenAI, toFile } from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

import { gpt, key, models, question, revokedKey, url } from "./gateway.js";

const options = { baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 };
const client = new OpenAI(options);
const messages = [{ role: "user", content: question }];
const parameters = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};

for (const model of models) {
  test(`a chat (${model})`, async () => {
    const answer = await client.chat.completions.create({ model, messages });
    assert.equal(answer.choices[0].message.content, `You said: ${question}`);
    assert.equal(answer.choices[0].finish_reason, "stop");
    assert.deepEqual([answer.usage.prompt_tokens, answer.usage.completion_tokens], [6, 8]);
  });

  test(`a streamed chat with usage (${model})`, async () => {
    const stream = await client.chat.completions.create({
      model,
      messages,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = "";
    let usage;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? "";
      usage ??= chunk.usage;
    }
    assert.equal(text, `You said: ${question}`);
    assert.deepEqual([usage.prompt_tokens, usage.completion_tokens], [6, 8]);
  });

  test(`tools, run by the client (${model})`, async () => {
    const run = client.chat.completions.runTools({
      model,
      messages,
      stream: true,
      tools: [
        {
          type: "function",
          function: {
            name: "get_weather",
            parameters,
            parse: JSON.parse,
            function: ({ city }) => `Rain in ${city}.`,
          },
        },
      ],
    });
    assert.equal(await run.finalContent(), "The tool says: Rain in Paris.");
  });

  test(`structured output (${model})`, async () => {
    const weather = z.object({ city: z.string(), degrees: z.number().int() });
    const answer = await client.chat.completions.parse({
      model,
      messages: [{ role: "user", content: "It is 21 degrees in 'Paris'." }],
      response_format: zodResponseFormat(weather, "weather"),
    });
    assert.deepEqual(answer.choices[0].message.parsed, { city: "Paris", degrees: 21 });
  });

  test(`a response (${model})`, async () => {
    const answer = await client.responses.create({ model, input: "Hello!" });
    assert.equal(answer.output_text, "You said: Hello!");
    assert.deepEqual([answer.usage.input_tokens, answer.usage.output_tokens], [1, 3]);
  });

  test(`a streamed response (${model})`, async () => {
    const stream = client.responses.stream({ model, input: "Hello!" });
    let text = "";
    for await (const event of stream) {
      if (event.type === "response.output_text.delta") text += event.delta;
    }
    const final = await stream.finalResponse();
    assert.equal(text, "You said: Hello!");
    assert.equal(final.output_text, text);
    assert.equal(final.usage.output_tokens, 3);
  });

  test(`a response's tool call and its answer (${model})`, async () => {
    const tools = [{ type: "function", name: "get_weather", parameters, strict: true }];
    const answer = await client.responses.create({ model, input: messages, tools });
    const call = answer.output.find((item) => item.type === "function_call");
    assert.deepEqual([call.name, call.arguments], ["get_weather", '{"city": "Paris"}']);
    const result = { type: "function_call_output", call_id: call.call_id, output: "Rain." };
    const input = [...messages, ...answer.output, result];
    const again = await client.responses.create({ model, input, tools });
    assert.equal(again.output_text, "The tool says: Rain.");
  });
}

test("a text completion", async () => {
  const asked = { model: gpt, prompt: "Once upon" };
  assert.equal((await client.completions.create(asked)).choices[0].text, "You said: Once upon");
  let text = "";
  for await (const chunk of await client.completions.create({ ...asked, stream: true })) {
    text += chunk.choices[0]?.text ?? "";
  }
  assert.equal(text, "You said: Once upon");
});

test("embeddings", async () => {
  const asked = { model: "text-embedding-3-small", input: ["one", "and two"] };
  // By default the package asks for base64, and reads it.
  for (const more of [{}, { encoding_format: "float" }]) {
    const answer = await client.embeddings.create({ ...asked, ...more });
    assert.deepEqual(
      answer.data.map((item) => item.embedding),
      [
        [1, 0.5, 0.5, 0.5],
        [2, 0.5, 0.5, 0.5],
      ],
    );
  }
});

test("models", async () => {
  const names = new Set();
  for await (const model of client.models.list()) names.add(model.id);
  for (const model of models) assert.ok(names.has(model));
  assert.equal((await client.models.retrieve(gpt)).id, gpt);
});

test("moderations", async () => {
  const answer = await client.moderations.create({ input: ["a flower", "a bomb"] });
  assert.deepEqual(
    answer.results.map((result) => result.flagged),
    [false, true],
  );
});

test("pictures", async () => {
  const drawn = await client.images.generate({ model: "gpt-image-1", prompt: "a cat", n: 2 });
  assert.equal(drawn.data.length, 2);
  const image = await toFile(Buffer.from(drawn.data[0].b64_json, "base64"), "cat.png", {
    type: "image/png",
  });
  const edited = await client.images.edit({ model: "gpt-image-1", image, prompt: "a dog" });
  assert.equal(edited.data[0].b64_json, drawn.data[0].b64_json);
});

test("sound", async () => {
  const spoken = await client.audio.speech.create({
    model: "gpt-4o-mini-tts",
    voice: "alloy",
    input: "Hello!",
  });
  assert.equal(Buffer.from(await spoken.arrayBuffer()).toString("latin1", 0, 3), "ID3");
  const file = await toFile(Buffer.alloc(100, "RIFF"), "talk.wav");
  const heard = await client.audio.transcriptions.create({ model: "whisper-1", file });
  assert.equal(heard.text, "100 bytes of sound");
});

test("errors", async () => {
  const stranger = new OpenAI({ ...options, apiKey: revokedKey });
  await assert.rejects(stranger.models.list(), OpenAI.AuthenticationError);
  await assert.rejects(client.chat.completions.create({ model: "unheard-of", messages }), (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.equal(error.param, "model");
    return true;
  });
  const hot = { model: gpt, messages, temperature: "hot" };
  await assert.rejects(client.chat.completions.create(hot), OpenAI.BadRequestError);
  for (const stream of [false, true]) {
    const limited = client.chat.completions.create({ model: "busy", messages, stream });
    await assert.rejects(limited, OpenAI.RateLimitError);
  }
});

test("the client for Azure", async () => {
  const azure = new AzureOpenAI({
    endpoint: url,
    apiKey: key,
    apiVersion: "2024-10-21",
    maxRetries: 0,
  });
  const answer = await azure.chat.completions.create({ model: gpt, messages });
  assert.equal(answer.choices[0].message.content, `You said: ${question}`);
});
